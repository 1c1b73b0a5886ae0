using LlasaNative.Rewards;

namespace LlasaNative.Training;

/// <summary>The reward's keys.</summary>
internal static class RewardSection
{
    public static void Fill(OptionSection<GrpoOptions, RewardOptions> section)
    {
        section.Choice("mode", "guarded: normalised text, nothing for silent, empty or endless samples. seed: the formula on the raw strings.", s => s.Mode, (s, v) => s with { Mode = v });
        section.Number("beta_cer", "Steepness of the CER's utility, 1 - tanh(beta * CER).", "number, more than 0", v => v > 0, s => s.BetaCer, (s, v) => s with { BetaCer = v });
        section.Number("tau_nll", "Scale of the NLL's utility, exp(-NLL / tau), in nats.", "number, more than 0", v => v > 0, s => s.TauNll, (s, v) => s with { TauNll = v });
        section.Number("lambda_cer", "Weight of the CER's utility.", "number, at least 0", v => v >= 0, s => s.LambdaCer, (s, v) => s with { LambdaCer = v });
        section.Number("lambda_nll", "Weight of the NLL's utility.", "number, at least 0", v => v >= 0, s => s.LambdaNll, (s, v) => s with { LambdaNll = v });
        section.Choice("normalization", "What happens to both texts before they are compared, in guarded mode.", s => s.Normalization, (s, v) => s with { Normalization = v });
        section.Choice("unfinished", "A sample that hit the length cap: reward 0, left out of its group and of the loss, or judged like any other.", s => s.Unfinished, (s, v) => s with { Unfinished = v });
        section.Choice("beyond_window", "A sample longer than the recogniser's window, which alone its NLL is of: judged like any other, reward 0, or left out of its group and of the loss.", s => s.BeyondWindow, (s, v) => s with { BeyondWindow = v });
        section.Number("silence_rms", "Root mean square below which a sound is silent; 0: guard off. Windows behind a sample's first that are as silent are not transcribed.", "number, at least 0", v => v >= 0, s => s.SilenceRms, (s, v) => s with { SilenceRms = v });
        section.Number("no_speech_threshold", "No-speech probability above which a sample is refused; 1: guard off.", "number, 0 to 1", v => v is >= 0 and <= 1, s => s.NoSpeechThreshold, (s, v) => s with { NoSpeechThreshold = v });
        section.Number("min_characters_per_second", "Slowest speech without penalty; 0: no bound.", "number, at least 0", v => v >= 0, s => s.MinCharactersPerSecond ?? 0, (s, v) => s with { MinCharactersPerSecond = v == 0 ? null : v });
        section.Number("max_characters_per_second", "Fastest speech without penalty; 0: no bound.", "number, at least 0", v => v >= 0, s => s.MaxCharactersPerSecond ?? 0, (s, v) => s with { MaxCharactersPerSecond = v == 0 ? null : v });
        section.Text("components", "Weighted parts of the reward: utility (the formula above, with its guards), cer, nll, exact, overlong, or your own class.", "name=weight or library.dll:Type=weight, separated by commas", s => s.Components, (s, v) => s with { Components = v });
        section.Choice("on_failure", "When a component of your own throws, hangs or returns NaN: stop the run, or leave the sample out of its group and of the loss.", s => s.OnFailure, (s, v) => s with { OnFailure = v });
        section.Number("timeout_seconds", "Longest time a component of your own may take for one sample.", "number, more than 0, at most 86400", v => v is > 0 and <= 86_400, s => s.TimeoutSeconds, (s, v) => s with { TimeoutSeconds = v });
        section.Number("overlong_share", "The component overlong falls from 0 to -1 over this share of rollout.max_new_tokens, at its end.", "number, more than 0, at most 1", v => v is > 0 and <= 1, s => s.OverlongShare, (s, v) => s with { OverlongShare = v });
        section.Whole("max_code_run", "Longest run of one speech code without penalty; 0: no bound.", 0, int.MaxValue, s => s.MaxCodeRun ?? 0, (s, v) => s with { MaxCodeRun = v == 0 ? null : (int)v });
    }

    /// <summary>What the reward's own check finds, in the words of the configuration.</summary>
    public static IEnumerable<string> Faults(RewardOptions options)
    {
        if (options.LambdaCer + options.LambdaNll <= 0)
        {
            yield return "`reward.lambda_cer` and `reward.lambda_nll` must not both be 0";
        }

        if (options is { Mode: RewardMode.Seed, BeyondWindow: not RefusalPolicy.Keep })
        {
            yield return $"`reward.beyond_window` {OptionNames.Of(options.BeyondWindow)} needs `reward.mode` guarded: seed refuses nothing";
        }

        List<string> components = [];
        _ = ComponentList.Parse(options.Components, components);
        foreach (var fault in components)
        {
            yield return $"`reward.components`: {fault}";
        }

        if (options is { MinCharactersPerSecond: { } slowest, MaxCharactersPerSecond: { } fastest } && fastest <= slowest)
        {
            yield return "`reward.max_characters_per_second` must be more than `reward.min_characters_per_second`";
        }
    }
}
