namespace LlasaNative.Rewards;

/// <summary>All that decides a reward besides the sample.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
[RemovedOption("reward.overlong_share", "it is an option of the component, overlong(share=0.2) in `reward.components`", "0.2")]
[RemovedOption("reward.timeout_seconds", "a component of your own has 30 s for a sample; `reward.on_failure` says what happens then")]
[RemovedOption("reward.min_characters_per_second", "it is an option of the component, utility(min_characters_per_second=5) in `reward.components`", "0")]
[RemovedOption("reward.max_characters_per_second", "it is an option of the component, utility(max_characters_per_second=25) in `reward.components`", "0")]
[RemovedOption("reward.max_code_run", "it is an option of the component, utility(max_code_run=50) in `reward.components`", "0")]
[RemovedOption("reward.silence_rms", "it is 0.0001 of full scale in guarded `reward.mode`", "0.0001")]
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

    /// <summary>Root mean square below which a sound is silent; 0 = none is. Windows behind a sample's first that are as silent are not transcribed.</summary>
    public double SilenceRms { get; init; } = SoundLevel.Silence;

    [Option("No-speech probability above which a sample is refused; 1: guard off.", AtLeast = 0, AtMost = 1)]
    public double NoSpeechThreshold { get; init; } = 0.9;

    [Option("Weighted parts of the reward: utility (the formula above, with its guards), cer, nll, exact, overlong, speaking_rate, prosody, or your own class.", Takes = "name=weight or library.dll:Type=weight, separated by commas; options of its own in parentheses behind the name")]
    public string Components { get; init; } = "utility=1";

    [Option("When a component of your own throws, hangs or returns NaN: stop the run, or leave the sample out of its group and of the loss.")]
    public ComponentFailure OnFailure { get; init; } = ComponentFailure.Stop;

    /// <summary>Longest time in seconds that a component of one's own may take for one sample.</summary>
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
    }
}
