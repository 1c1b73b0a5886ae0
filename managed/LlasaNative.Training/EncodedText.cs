namespace LlasaNative.Training;

/// <summary>A text and the tokens that ask the policy to say it, see <see cref="GrpoModels.Encode(string, int, int, Utterance)"/>.</summary>
/// <param name="Text">What to say.</param>
/// <param name="Prompt">Token ids of the prompt, which end in the token that opens speech.</param>
public sealed record EncodedText(string Text, int[] Prompt)
{
    /// <summary>Whose voice it is to be said in: the prompt then ends in the codes of that; null = any.</summary>
    public Utterance? Voice { get; init; }
}
