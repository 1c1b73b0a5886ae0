namespace LlasaNative.Training;

/// <summary>What a probability ratio is of.</summary>
public enum RatioLevel
{
    /// <summary>r = exp(logp - old) of the token.</summary>
    Token,

    /// <summary>r = exp(mean of logp - old over the sequence's unmasked tokens): GSPO.</summary>
    Sequence,
}
