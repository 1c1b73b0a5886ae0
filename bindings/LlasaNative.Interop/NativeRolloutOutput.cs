namespace LlasaNative.Interop;

/// <summary>Where a rollout writes: I samples of at most M tokens each.</summary>
public readonly ref struct NativeRolloutOutput
{
    /// <summary>[I, M] drawn tokens; unused entries become -1.</summary>
    public required Span<int> Tokens { get; init; }

    /// <summary>[I, M] log-prob of each drawn token; unused entries become 0.</summary>
    public required Span<float> LogProbs { get; init; }

    /// <summary>[I, M] log of the probability each token was really drawn with; unused entries become 0. Empty = not wanted.</summary>
    public Span<float> DrawLogProbs { get; init; }

    /// <summary>[I] tokens drawn, the stop token included.</summary>
    public required Span<int> Lengths { get; init; }

    /// <summary>[I] why each sample ended.</summary>
    public required Span<NativeFinishReason> FinishReasons { get; init; }

    internal void Check(long samples, long maxNewTokens)
    {
        var tokens = checked(samples * Math.Max(maxNewTokens, 0));
        Checks.Length(Tokens.Length, tokens, nameof(Tokens));
        Checks.Length(LogProbs.Length, tokens, nameof(LogProbs));
        Checks.OptionalLength(DrawLogProbs.Length, tokens, nameof(DrawLogProbs));
        Checks.Length(Lengths.Length, samples, nameof(Lengths));
        Checks.Length(FinishReasons.Length, samples, nameof(FinishReasons));
    }
}
