namespace LlasaNative.Interop;

/// <summary>What an algorithm comes to, per scored token: [N] each, N as in <see cref="NativeTokenBatch"/>.</summary>
/// <remarks>A token whose weights are all 0 does not count; its other entries may be anything.</remarks>
public readonly ref struct NativeTokenTerms
{
    /// <summary>Advantages.</summary>
    public ReadOnlySpan<float> Advantages { get; init; }

    /// <summary>Weights of the policy term, at least 0.</summary>
    public ReadOnlySpan<float> PolicyWeights { get; init; }

    /// <summary>Weights of the KL term; empty = no such term.</summary>
    public ReadOnlySpan<float> KlWeights { get; init; }

    /// <summary>Weights of the entropy term; empty = no such term.</summary>
    public ReadOnlySpan<float> EntropyWeights { get; init; }

    /// <summary>Log-probs ratios are taken against; empty = the current log-probs, so that every ratio is 1.</summary>
    public ReadOnlySpan<float> OldLogProbs { get; init; }

    /// <summary>Log-probs under the reference; empty only without a KL term.</summary>
    public ReadOnlySpan<float> RefLogProbs { get; init; }

    /// <summary>Largest policy term of each token; empty = none.</summary>
    public ReadOnlySpan<float> PolicyCaps { get; init; }

    internal void Check(NativeTokenBatch batch)
    {
        Checks.Length(Advantages.Length, batch.ScoredTokens, nameof(Advantages));
        Checks.Length(PolicyWeights.Length, batch.ScoredTokens, nameof(PolicyWeights));
        Checks.OptionalLength(KlWeights.Length, batch.ScoredTokens, nameof(KlWeights));
        Checks.OptionalLength(EntropyWeights.Length, batch.ScoredTokens, nameof(EntropyWeights));
        Checks.OptionalLength(OldLogProbs.Length, batch.ScoredTokens, nameof(OldLogProbs));
        Checks.OptionalLength(RefLogProbs.Length, batch.ScoredTokens, nameof(RefLogProbs));
        Checks.OptionalLength(PolicyCaps.Length, batch.ScoredTokens, nameof(PolicyCaps));
    }
}
