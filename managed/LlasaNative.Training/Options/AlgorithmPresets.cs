namespace LlasaNative.Training;

/// <summary>What each algorithm sets; everything else stays at its default.</summary>
public static class AlgorithmPresets
{
    /// <summary>Values by key.</summary>
    /// <param name="algorithm">The preset.</param>
    public static IReadOnlyList<KeyValuePair<string, string>> Of(Algorithm algorithm) => algorithm switch
    {
        Algorithm.DrGrpo => [new("loss.advantage", "dr_grpo"), new("loss.aggregation", "constant")],
        Algorithm.Dapo =>
        [
            new("loss.clip_high", "0.28"), new("loss.aggregation", "token_mean"), new("rollout.dynamic_rounds", "3"),
            new("reward.components", "utility=1,overlong=1"), new("reward.overlong_share", "0.2"),
        ],
        Algorithm.Gspo =>
        [
            new("loss.ratio", "sequence"), new("loss.aggregation", "sequence_mean"), new("loss.clip_low", "3e-4"), new("loss.clip_high", "4e-4"),
        ],
        Algorithm.Rloo => [new("loss.advantage", "rloo"), new("loss.kl_placement", "reward"), new("loss.kl_estimator", "k1")],
        Algorithm.ReinforcePlusPlus =>
        [
            new("loss.advantage", "reinforce_plus_plus"), new("loss.kl_placement", "reward"), new("loss.kl_estimator", "k1"), new("loss.kl_coefficient", "0.01"),
        ],
        Algorithm.Grpo => [],
        _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, "No such preset."),
    };
}
