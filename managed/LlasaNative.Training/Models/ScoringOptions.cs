namespace LlasaNative.Models;

/// <summary>How the recogniser listens.</summary>
[RemovedOption("recogniser.leading_space", "texts are measured with a space before them where `recogniser.prompt` is full and the vocabulary has words that begin with one", "auto")]
[RemovedOption("recogniser.max_tokens", "it is what the model allows, less what `recogniser.early_end` cuts", "0")]
public sealed record ScoringOptions
{
    /// <summary>Samples per second of the sounds that are listened to.</summary>
    public const int SampleRate = 16000;

    /// <summary>Fewest samples of a window behind a clip's first that is transcribed: a second.</summary>
    public const int MinWindowSamples = SampleRate;

    /// <summary>The <see cref="Language"/> of those who give none: English, and nothing for a recogniser that takes no language.</summary>
    public const string NoLanguage = "default";

    [Option("What stands before the text whose likelihood is measured: start of transcript alone, or with language and task.")]
    public ScorePromptStyle Prompt { get; init; } = ScorePromptStyle.Full;

    [Option("Language of the texts; auto: detected; default: English, and no language is asked of an English-only recogniser, which refuses any other value.", Takes = "code or name such as en, ko-KR, English; auto, default")]
    public string Language { get; init => field = LanguageNames.ToCode(value); } = NoLanguage;

    /// <summary>The language of the texts: <c>en</c> where none is given.</summary>
    public string TextLanguage => Language == NoLanguage ? "en" : Language;

    /// <summary>Whether texts are measured with a space before them, as the public models were trained; a reward server is asked for it.</summary>
    public LeadingSpace LeadingSpace { get; init; } = LeadingSpace.Auto;

    /// <summary>Longest transcript in tokens; 0 = what the model allows.</summary>
    public int MaxTokens { get; init; }

    /// <summary>Root mean square (full scale is 1) below which a window behind a clip's first is not transcribed; 0 = none is so silent.</summary>
    public double SilenceRms { get; init; } = SoundLevel.Silence;

    [Option("End a transcript that is so much longer than its text, or repeats itself, that nothing of the reward is left (docs/reward.md). auto: while training, unless a component of your own reads it; eval, score and compare hear everything.")]
    public EarlyEnd EarlyEnd { get; init; } = EarlyEnd.Auto;

    /// <summary>Where transcripts end early, made of <see cref="EarlyEnd"/> and the reward; null = nowhere.</summary>
    public TranscriptBound? Bound { get; init; }

    [Option("Clips given to the recogniser at once.", AtLeast = 1, AtMost = 1_000_000)]
    public int BatchSize { get; init; } = 32;

    [Option("Most memory for keys and values of clips that are transcribed together; of a batch as many go together as fit, one at least.", AtLeast = 1, AtMost = 1_048_576, Unit = "MiB")]
    public int CacheMib { get; init; } = 4096;

    [Option("GPU that codec and recogniser live on, by index; -1: the policy's (LLASA_DEVICE, else the rank's place on its machine, else 0).", AtLeast = -1, AtMost = 255)]
    public int Device { get; init; } = -1;

    /// <summary>Whether a window behind a clip's first is transcribed: it lasts a second and is not silent. A recogniser invents words for others.</summary>
    /// <param name="window">What the clip has in it, 16 kHz.</param>
    public bool Recognises(ReadOnlySpan<float> window) =>
        window.Length >= MinWindowSamples && (SilenceRms <= 0 || SoundLevel.RootMeanSquare(window) >= SilenceRms);
}
