namespace LlasaNative.Interop;

/// <summary>Per-sequence and per-scored-token inputs of a loss: B and N as in <see cref="NativeTokenBatch"/>.</summary>
public readonly ref struct NativeLossInputs
{
    /// <summary>[B]; empty for SFT, or with <see cref="TokenAdvantages"/>.</summary>
    public ReadOnlySpan<float> Advantages { get; init; }

    /// <summary>[N]; empty = the current log-probs, so that every ratio is 1.</summary>
    public ReadOnlySpan<float> OldLogProbs { get; init; }

    /// <summary>[N]; empty only without a KL term.</summary>
    public ReadOnlySpan<float> RefLogProbs { get; init; }

    /// <summary>[N] 1 = in the loss; empty = all.</summary>
    public ReadOnlySpan<byte> Mask { get; init; }

    /// <summary>[N] in place of <see cref="Advantages"/>; empty = every token has its sequence's.</summary>
    public ReadOnlySpan<float> TokenAdvantages { get; init; }

    /// <summary>[N] at least 0, factors of the policy term; empty = 1.</summary>
    public ReadOnlySpan<float> ImportanceWeights { get; init; }

    internal void Check(NativeTokenBatch batch)
    {
        Checks.OptionalLength(Advantages.Length, batch.Count, nameof(Advantages));
        Checks.OptionalLength(OldLogProbs.Length, batch.ScoredTokens, nameof(OldLogProbs));
        Checks.OptionalLength(RefLogProbs.Length, batch.ScoredTokens, nameof(RefLogProbs));
        Checks.OptionalLength(Mask.Length, batch.ScoredTokens, nameof(Mask));
        Checks.OptionalLength(TokenAdvantages.Length, batch.ScoredTokens, nameof(TokenAdvantages));
        Checks.OptionalLength(ImportanceWeights.Length, batch.ScoredTokens, nameof(ImportanceWeights));
    }
}
