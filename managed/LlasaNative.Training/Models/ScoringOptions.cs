using LlasaNative.Text;

namespace LlasaNative.Models;

/// <summary>How the recogniser listens.</summary>
public sealed record ScoringOptions
{
    /// <summary>What stands before the text whose likelihood is measured.</summary>
    public ScorePromptStyle Prompt { get; init; } = ScorePromptStyle.Full;

    /// <summary>Language code such as <c>en</c>, or <c>auto</c> to have it detected. Set, it may be what <see cref="LanguageNames.ToCode"/> reads.</summary>
    public string Language { get; init => field = LanguageNames.ToCode(value); } = "en";

    /// <summary>Whether texts are measured with a space before them.</summary>
    public LeadingSpace LeadingSpace { get; init; } = LeadingSpace.Auto;

    /// <summary>Longest transcript in tokens; 0 = what the model allows.</summary>
    public int MaxTokens { get; init; }

    /// <summary>Clips given to the recogniser at once.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Device that codec and recogniser live on, by index; -1 = the one that the policy lives on.</summary>
    public int Device { get; init; } = -1;
}
