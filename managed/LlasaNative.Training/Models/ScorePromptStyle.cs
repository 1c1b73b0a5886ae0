namespace LlasaNative.Models;

/// <summary>What the recogniser is given before the text whose likelihood is measured.</summary>
public enum ScorePromptStyle
{
    /// <summary>Start of transcript alone, as the reference Python server does.</summary>
    Seed,

    /// <summary>Start of transcript, language, transcribe, no timestamps.</summary>
    Full,
}
