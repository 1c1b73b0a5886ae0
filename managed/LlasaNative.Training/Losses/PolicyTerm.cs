namespace LlasaNative.Training;

/// <summary>What the policy term of a token's loss is.</summary>
public enum PolicyTerm
{
    /// <summary>The larger of minus advantage times ratio, and the same with the ratio clipped.</summary>
    Ratio,

    /// <summary>Minus advantage times log-prob: REINFORCE, and cross-entropy where every advantage is 1.</summary>
    LogProb,
}
