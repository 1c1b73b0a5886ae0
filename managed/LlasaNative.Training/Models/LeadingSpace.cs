namespace LlasaNative.Models;

/// <summary>Whether a text is measured with a space before it.</summary>
public enum LeadingSpace
{
    /// <summary>
    /// As the model was trained: with a space where its vocabulary has words that begin with one and the prompt is
    /// <see cref="ScorePromptStyle.Full"/>; the <see cref="ScorePromptStyle.Seed"/> style never has one.
    /// </summary>
    Auto,

    /// <summary>With a space.</summary>
    True,

    /// <summary>As the text stands.</summary>
    False,
}
