namespace LlasaNative.Training;

/// <summary>How the losses of tokens are put together.</summary>
public enum LossAggregation
{
    /// <summary>Mean over all tokens.</summary>
    TokenMean,

    /// <summary>Mean over each sequence's tokens, then over sequences.</summary>
    SequenceMean,

    /// <summary>Sum over tokens / (sequences × the longest response): Dr.GRPO.</summary>
    Constant,
}
