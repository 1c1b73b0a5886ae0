namespace LlasaNative.Training;

/// <summary>What each algorithm sets; everything else stays at its default.</summary>
public static class AlgorithmPresets
{
    private static readonly Dictionary<string, string> Settings = new()
    {
        // GRPO, arXiv 2402.03300, as verl computes it: the defaults.
        ["grpo"] = "",
        // arXiv 2503.20783.
        ["dr_grpo"] = "loss.advantage: dr_grpo; loss.aggregation: constant",
        // arXiv 2503.14476.
        ["dapo"] = "loss.clip_high: 0.28; loss.aggregation: token_mean; rollout.dynamic_rounds: 3; reward.components: utility=1,overlong(share=0.2)=1",
        // arXiv 2507.18071.
        ["gspo"] = "loss.ratio: sequence; loss.aggregation: sequence_mean; loss.clip_low: 3e-4; loss.clip_high: 4e-4",
        // arXiv 2402.14740.
        ["rloo"] = "loss.advantage: rloo; loss.kl_placement: reward; loss.kl_estimator: k1",
        // arXiv 2501.03262, without and with the group's mean as baseline.
        ["reinforce_plus_plus"] = "loss.advantage: reinforce_plus_plus; loss.kl_placement: reward; loss.kl_estimator: k1; loss.kl_coefficient: 0.01",
        ["reinforce_plus_plus_baseline"] = "loss.advantage: reinforce_plus_plus_baseline; loss.kl_estimator: k2; loss.kl_coefficient: 0.01",
        // arXiv 2402.04792, the best and the worst of a group.
        ["online_dpo"] = "loss.objective: dpo; loss.advantage: dr_grpo",
        // arXiv 2601.05242.
        ["gdpo"] = "loss.advantage: gdpo; reward.components: cer=0.6,nll=0.4",
    };

    /// <summary>Names of the presets.</summary>
    public static IReadOnlyCollection<string> Names => Settings.Keys;

    /// <summary>Values by key; nothing of a name that is none.</summary>
    /// <param name="algorithm">The preset.</param>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(string algorithm) =>
        [.. Settings.GetValueOrDefault(algorithm, "").Split("; ", StringSplitOptions.RemoveEmptyEntries).Select(s => s.Split(": ", 2)).Select(s => KeyValuePair.Create(s[0], s[1]))];
}

/// <summary>Declares the option that names a preset.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class AlgorithmOptionAttribute(string help) : OptionAttribute(help)
{
    /// <inheritdoc/>
    public override string Takes => string.Join(", ", AlgorithmPresets.Names);
}
