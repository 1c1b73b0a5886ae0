using LlasaNative.Configuration;
using LlasaNative.Rewards;

namespace LlasaNative.Recognition.Wire;

/// <summary>How the recogniser is to listen: the client's settings, so that a reward does not depend on the server's.</summary>
public sealed record ScoringRequest
{
    /// <summary><c>seed</c> or <c>full</c>, as <c>recogniser.prompt</c>.</summary>
    public required string Prompt { get; init => field = value ?? ""; }

    /// <summary>Language code, <c>auto</c>, or <c>default</c>, as <c>recogniser.language</c>.</summary>
    public string Language { get; init => field = value ?? ScoringOptions.NoLanguage; } = ScoringOptions.NoLanguage;   // null in JSON is none

    /// <summary>Whether texts are measured with a space before them: <c>auto</c>, <c>true</c> or <c>false</c>, or the JSON literals.</summary>
    [JsonConverter(typeof(TextOrFlag))]
    public string LeadingSpace { get; init; } = OptionNames.Of(Models.LeadingSpace.Auto);

    /// <summary>Longest transcript in tokens; 0 = what the model allows.</summary>
    public int MaxTokens { get; init; }

    /// <summary>Root mean square below which a window behind a clip's first is not transcribed, as <c>reward.silence_rms</c>; 0 = none is so silent.</summary>
    public double SilenceRms { get; init; } = SoundLevel.Silence;

    /// <summary>CER from which on a transcript may end before the recogniser ends it; 0 = none does.</summary>
    public double SaturatedCer { get; init; }

    /// <summary>What happens to both texts before they are compared, for <see cref="SaturatedCer"/>: <c>none</c>, <c>basic</c> or <c>english</c>.</summary>
    public string Normalization { get; init => field = value ?? OptionNames.Of(TextNormalization.None); } = OptionNames.Of(TextNormalization.None);

    /// <summary>Clips given to the recogniser at once.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The wire form of options.</summary>
    /// <param name="options">The options.</param>
    public static ScoringRequest From(ScoringOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new ScoringRequest
        {
            Prompt = OptionNames.Of(options.Prompt),
            Language = options.Language,
            LeadingSpace = OptionNames.Of(options.LeadingSpace),
            MaxTokens = options.MaxTokens,
            SilenceRms = options.SilenceRms,
            SaturatedCer = options.Bound?.SaturatedCer ?? 0,
            Normalization = OptionNames.Of(options.Bound?.Normalization ?? TextNormalization.None),
            BatchSize = options.BatchSize,
        };
    }

    /// <summary>The options of the wire form.</summary>
    /// <exception cref="FormatException">The prompt or the leading space has no such name, or a number is out of range.</exception>
    public ScoringOptions ToOptions() => MaxTokens < 0 || BatchSize is < 1 or > 1_000_000 || SilenceRms is not (>= 0 and <= float.MaxValue) || !(SaturatedCer >= 0)
        ? throw new FormatException(FormattableString.Invariant(
            $"`max_tokens` {MaxTokens} must be at least 0, `batch_size` {BatchSize} 1 to 1000000, `silence_rms` {SilenceRms} and `saturated_cer` {SaturatedCer} at least 0"))
        : new ScoringOptions
        {
            Prompt = OptionNames.Parse<ScorePromptStyle>(Prompt),
            Language = Language,
            LeadingSpace = OptionNames.Parse<LeadingSpace>(LeadingSpace),
            MaxTokens = MaxTokens,
            SilenceRms = SilenceRms,
            Bound = SaturatedCer > 0 ? new TranscriptBound(SaturatedCer, Comparison()) : null,
            BatchSize = BatchSize,
        };

    private TextNormalization Comparison() => OptionNames.Parse<TextNormalization>(Normalization) is not TextNormalization.Auto and var kind
        ? kind
        : throw new FormatException("`normalization` is auto, expected none, basic or english");
}
