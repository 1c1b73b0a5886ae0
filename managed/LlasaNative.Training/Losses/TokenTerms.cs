namespace LlasaNative.Training;

/// <summary>What an algorithm comes to, per response token of a batch: [N] each.</summary>
/// <remarks>
/// The loss is the sum over tokens of policy weight times policy term, plus KL weight times divergence, minus entropy weight times
/// entropy; aggregation, masks, importance weights and coefficients are in the weights. A token whose weights are all 0 does not
/// count, and its other entries may be anything.
/// </remarks>
/// <param name="Advantages">Advantage of each token.</param>
/// <param name="PolicyWeights">Weight of its policy term, at least 0.</param>
public sealed record TokenTerms(float[] Advantages, float[] PolicyWeights)
{
    /// <summary>Weight of the divergence from the reference; empty = no such term.</summary>
    public float[] KlWeights { get; init; } = [];

    /// <summary>Weight of the entropy; empty = no such term.</summary>
    public float[] EntropyWeights { get; init; } = [];

    /// <summary>Log-probs that ratios are taken against; empty = the current ones, so that every ratio is 1.</summary>
    public float[] OldLogProbs { get; init; } = [];

    /// <summary>Log-probs under the reference; empty only without a KL term.</summary>
    public float[] ReferenceLogProbs { get; init; } = [];

    /// <summary>Largest policy term; infinity = none; empty = none at all.</summary>
    public float[] PolicyCaps { get; init; } = [];

    /// <summary>The entries of some tokens that stand together.</summary>
    /// <param name="first">The first.</param>
    /// <param name="count">Number of tokens.</param>
    public TokenTerms Part(int first, int count)
    {
        return new TokenTerms(Of(Advantages), Of(PolicyWeights))
        {
            KlWeights = Of(KlWeights),
            EntropyWeights = Of(EntropyWeights),
            OldLogProbs = Of(OldLogProbs),
            ReferenceLogProbs = Of(ReferenceLogProbs),
            PolicyCaps = Of(PolicyCaps),
        };

        float[] Of(float[] values) => values.Length == 0 ? values : values[first..(first + count)];
    }
}
