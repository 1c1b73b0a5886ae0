#pragma warning disable CS1591   // what [Option] says of a property is its documentation
using LlasaNative.Audio;
using LlasaNative.Configuration;
using LlasaNative.Text;

namespace LlasaNative.Rewards;

/// <summary>All that decides a reward besides the sample.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
[RemovedOption("reward.overlong_share", "it is an option of the component, overlong(share=0.2) in `reward.components`", "0.2")]
public sealed record RewardOptions : ICheckedOptions
{
    [Option("guarded: normalised text, nothing for silent, empty or endless samples. seed: the formula on the raw strings.")]
    public RewardMode Mode { get; init; } = RewardMode.Guarded;

    [Option("Steepness of the CER's utility, 1 - tanh(beta * CER).", Above = 0)]
    public double BetaCer { get; init; } = 3;

    [Option("Scale of the NLL's utility, exp(-NLL / tau).", Above = 0, Unit = "nats")]
    public double TauNll { get; init; } = 3;

    [Option("Weight of the CER's utility.", AtLeast = 0)]
    public double LambdaCer { get; init; } = 0.6;

    [Option("Weight of the NLL's utility.", AtLeast = 0)]
    public double LambdaNll { get; init; } = 0.4;

    [Option("What happens to both texts before they are compared, in guarded mode.")]
    public TextNormalization Normalization { get; init; } = TextNormalization.Auto;

    /// <summary>Language code of the texts, for <see cref="TextNormalization.Auto"/>.</summary>
    public string Language { get; init => field = LanguageNames.ToCode(value); } = "en";

    [Option("A sample that hit the length cap: reward 0, left out of its group and of the loss, or judged like any other.")]
    public RefusalPolicy Unfinished { get; init; } = RefusalPolicy.Zero;

    [Option("A sample longer than the recogniser's window, which alone its NLL is of: judged like any other, reward 0, or left out of its group and of the loss.")]
    public RefusalPolicy BeyondWindow { get; init; } = RefusalPolicy.Keep;

    [Option("Root mean square below which a sound is silent; 0: guard off. Windows behind a sample's first that are as silent are not transcribed.", AtLeast = 0)]
    public double SilenceRms { get; init; } = SoundLevel.Silence;

    [Option("No-speech probability above which a sample is refused; 1: guard off.", AtLeast = 0, AtMost = 1)]
    public double NoSpeechThreshold { get; init; } = 0.9;

    [Option("Slowest speech without penalty; 0: no bound.", AtLeast = 0)]
    public double MinCharactersPerSecond { get; init; }

    [Option("Fastest speech without penalty; 0: no bound.", AtLeast = 0)]
    public double MaxCharactersPerSecond { get; init; }

    [Option("Longest run of one speech code without penalty; 0: no bound.", AtLeast = 0)]
    public int MaxCodeRun { get; init; }

    [Option("Weighted parts of the reward: utility (the formula above, with its guards), cer, nll, exact, overlong, speaking_rate, prosody, or your own class.", Takes = "name=weight or library.dll:Type=weight, separated by commas; options of its own in parentheses behind the name")]
    public string Components { get; init; } = "utility=1";

    [Option("When a component of your own throws, hangs or returns NaN: stop the run, or leave the sample out of its group and of the loss.")]
    public ComponentFailure OnFailure { get; init; } = ComponentFailure.Stop;

    [Option("Longest time a component of your own may take for one sample.", Above = 0, AtMost = 86_400, Unit = "seconds", FreeOnResume = true)]
    public double TimeoutSeconds { get; init; } = 30;

    /// <summary>Longest response in tokens, for <c>overlong</c>; 0 = unknown.</summary>
    public int MaxTokens { get; init; }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (LambdaCer + LambdaNll <= 0)
        {
            yield return "`reward.lambda_cer` and `reward.lambda_nll` must not both be 0";
        }

        if (Mode == RewardMode.Seed && BeyondWindow != RefusalPolicy.Keep)
        {
            yield return $"`reward.beyond_window` {OptionNames.Of(BeyondWindow)} needs `reward.mode` guarded: seed refuses nothing";
        }

        List<string> components = [];
        _ = ComponentList.Parse(Components, components);
        foreach (var fault in components)
        {
            yield return $"`reward.components`: {fault}";
        }

        if (MaxCharactersPerSecond > 0 && MaxCharactersPerSecond <= MinCharactersPerSecond)
        {
            yield return "`reward.max_characters_per_second` must be more than `reward.min_characters_per_second`";
        }
    }
}
