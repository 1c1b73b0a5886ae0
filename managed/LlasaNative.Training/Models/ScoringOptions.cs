using LlasaNative.Audio;
using LlasaNative.Listening;
using LlasaNative.Text;

namespace LlasaNative.Models;

/// <summary>How the recogniser listens.</summary>
public sealed record ScoringOptions
{
    /// <summary>Fewest samples of a window behind a clip's first that is transcribed: a second.</summary>
    public const int MinWindowSamples = Hearing.SampleRate;

    /// <summary>The <see cref="Language"/> of those who give none: English, and nothing for a recogniser that takes no language.</summary>
    public const string NoLanguage = "default";

    /// <summary>What stands before the text whose likelihood is measured.</summary>
    public ScorePromptStyle Prompt { get; init; } = ScorePromptStyle.Full;

    /// <summary>
    /// Language code such as <c>en</c>, <c>auto</c> to have it detected, or <see cref="NoLanguage"/>. Set, it may be what
    /// <see cref="LanguageNames.ToCode"/> reads.
    /// </summary>
    public string Language { get; init => field = LanguageNames.ToCode(value); } = NoLanguage;

    /// <summary>The language of the texts: <c>en</c> where none is given.</summary>
    public string TextLanguage => Language == NoLanguage ? "en" : Language;

    /// <summary>Whether texts are measured with a space before them.</summary>
    public LeadingSpace LeadingSpace { get; init; } = LeadingSpace.Auto;

    /// <summary>Longest transcript in tokens; 0 = what the model allows.</summary>
    public int MaxTokens { get; init; }

    /// <summary>Root mean square (full scale is 1) below which a window behind a clip's first is not transcribed; 0 = none is so silent.</summary>
    public double SilenceRms { get; init; } = SoundLevel.Silence;

    /// <summary>When transcripts end before the recogniser ends them.</summary>
    public EarlyEnd EarlyEnd { get; init; } = EarlyEnd.Auto;

    /// <summary>Where transcripts end early, made of <see cref="EarlyEnd"/> and the reward; null = nowhere.</summary>
    public TranscriptBound? Bound { get; init; }

    /// <summary>Clips given to the recogniser at once.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Device that codec and recogniser live on, by index; -1 = the one that the policy lives on.</summary>
    public int Device { get; init; } = -1;

    /// <summary>Whether a window behind a clip's first is transcribed: it lasts a second and is not silent. A recogniser invents words for others.</summary>
    /// <param name="window">What the clip has in it, 16 kHz.</param>
    public bool ListensTo(ReadOnlySpan<float> window) =>
        window.Length >= MinWindowSamples && (SilenceRms <= 0 || SoundLevel.RootMeanSquare(window) >= SilenceRms);
}
