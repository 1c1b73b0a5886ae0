using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Text;

namespace LlasaNative.Rewards;

/// <summary>All that decides a reward besides the sample.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record RewardOptions
{
    /// <summary>How a sample is judged.</summary>
    public RewardMode Mode { get; init; } = RewardMode.Guarded;

    /// <summary>βc, steepness of U_CER; positive.</summary>
    public double BetaCer { get; init; } = 3;

    /// <summary>τn, scale of U_NLL in nats; positive.</summary>
    public double TauNll { get; init; } = 3;

    /// <summary>λc, weight of U_CER; at least 0.</summary>
    public double LambdaCer { get; init; } = 0.6;

    /// <summary>λn, weight of U_NLL; at least 0; not both weights 0.</summary>
    public double LambdaNll { get; init; } = 0.4;

    /// <summary>Normalisation in <see cref="RewardMode.Guarded"/>.</summary>
    public TextNormalization Normalization { get; init; } = TextNormalization.Auto;

    /// <summary>Language code of the texts, for <see cref="TextNormalization.Auto"/>.</summary>
    public string Language { get; init => field = LanguageNames.ToCode(value); } = "en";

    /// <summary>What becomes of samples that never ended, in <see cref="RewardMode.Guarded"/>.</summary>
    public RefusalPolicy Unfinished { get; init; } = RefusalPolicy.Zero;

    /// <summary>What becomes of samples longer than the recogniser's window, in <see cref="RewardMode.Guarded"/>.</summary>
    public RefusalPolicy BeyondWindow { get; init; } = RefusalPolicy.Keep;

    /// <summary>Root mean square (full scale is 1) below which a waveform counts as silent; 0 switches the guard off.</summary>
    public double SilenceRms { get; init; } = SoundLevel.Silence;

    /// <summary>No-speech probability above which a sample counts as non-speech, where the recogniser gives one; 1 switches the guard off.</summary>
    public double NoSpeechThreshold { get; init; } = 0.9;

    /// <summary>Lowest rate, in characters of the reference per second, without penalty; null for no bound.</summary>
    public double? MinCharactersPerSecond { get; init; }

    /// <summary>Highest rate without penalty; null for no bound.</summary>
    public double? MaxCharactersPerSecond { get; init; }

    /// <summary>Longest run of one speech code without penalty; null for no bound.</summary>
    public int? MaxCodeRun { get; init; }

    /// <summary>Components and weights, <c>name=weight</c> separated by commas; see <see cref="IRewardComponent"/>.</summary>
    public string Components { get; init; } = "utility=1";

    /// <summary>What happens when a component of one's own fails.</summary>
    public ComponentFailure OnFailure { get; init; } = ComponentFailure.Stop;

    /// <summary>Longest time a component of one's own may take for one sample, in seconds.</summary>
    public double TimeoutSeconds { get; init; } = 30;

    /// <summary>Share of the longest response, at its end, over which the component <c>overlong</c> falls from 0 to -1.</summary>
    public double OverlongShare { get; init; } = 0.2;

    /// <summary>Longest response in tokens, for <c>overlong</c>; 0 = unknown.</summary>
    public int MaxTokens { get; init; }

    /// <summary>Checks all values.</summary>
    /// <exception cref="UsageException">Some are out of range; the message lists every one.</exception>
    public void Validate()
    {
        List<string> faults = [];
        Require(BetaCer > 0 && double.IsFinite(BetaCer), nameof(BetaCer), BetaCer, "a positive number");
        Require(TauNll > 0 && double.IsFinite(TauNll), nameof(TauNll), TauNll, "a positive number");
        Require(LambdaCer >= 0 && double.IsFinite(LambdaCer), nameof(LambdaCer), LambdaCer, "at least 0");
        Require(LambdaNll >= 0 && double.IsFinite(LambdaNll), nameof(LambdaNll), LambdaNll, "at least 0");
        Require(LambdaCer + LambdaNll > 0, nameof(LambdaNll), LambdaNll, "more than 0 when LambdaCer is 0");
        Require(SilenceRms >= 0 && double.IsFinite(SilenceRms), nameof(SilenceRms), SilenceRms, "at least 0");
        Require(NoSpeechThreshold is >= 0 and <= 1, nameof(NoSpeechThreshold), NoSpeechThreshold, "0 to 1");
        Require(MinCharactersPerSecond is null or > 0, nameof(MinCharactersPerSecond), MinCharactersPerSecond, "a positive number");
        Require(
            MaxCharactersPerSecond is null || MaxCharactersPerSecond > (MinCharactersPerSecond ?? 0),
            nameof(MaxCharactersPerSecond), MaxCharactersPerSecond, "more than MinCharactersPerSecond");
        Require(MaxCodeRun is null or > 0, nameof(MaxCodeRun), MaxCodeRun, "at least 1");
        if (faults.Count > 0)
        {
            throw new UsageException("reward options: " + string.Join("; ", faults));
        }

        void Require(bool holds, string name, double? value, string expected)
        {
            if (!holds)
            {
                faults.Add(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}, expected {expected}"));
            }
        }
    }
}
