namespace LlasaNative.Training;

/// <summary>What preferences are turned into.</summary>
public enum PreferenceLossKind
{
    /// <summary>Minus the log-sigmoid of beta times the difference of log-ratios of whole responses (arXiv 2305.18290).</summary>
    Dpo,

    /// <summary>The squared distance of the difference of log-ratios per token from 1 / (2 beta) (arXiv 2310.12036, averaged over tokens as TRL has it).</summary>
    Ipo,

    /// <summary>DPO of log-ratios per token: a long response weighs no more than a short one (arXiv 2411.15124).</summary>
    DpoNorm,

    /// <summary>Log-probs per token without a reference, and a margin that they must keep (arXiv 2405.14734).</summary>
    Simpo,
}
