namespace LlasaNative.Training;

/// <summary>How rewards become advantages.</summary>
public enum AdvantageEstimator
{
    /// <summary>Over the group: (r - mean) / (deviation + epsilon).</summary>
    Grpo,

    /// <summary>Over the group: r - mean.</summary>
    DrGrpo,

    /// <summary>Over the group: r - mean of the others.</summary>
    Rloo,

    /// <summary>Per token: the return from there to the end, whitened over all tokens of the batch; groups do not matter.</summary>
    ReinforcePlusPlus,

    /// <summary>The same of r - mean of the group.</summary>
    ReinforcePlusPlusBaseline,
}
