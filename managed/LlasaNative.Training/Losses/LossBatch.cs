namespace LlasaNative.Training;

/// <summary>The samples of one update, as a loss sees them; arrays of tokens are packed sample after sample.</summary>
/// <param name="Lengths">[B] response tokens of each sample; N is their sum.</param>
/// <param name="TakesPart">[B] which samples count.</param>
/// <param name="Advantages">[N] advantage of each token.</param>
public sealed record LossBatch(int[] Lengths, bool[] TakesPart, float[] Advantages)
{
    /// <summary>[N] log-probs that ratios are taken against.</summary>
    public float[] OldLogProbs { get; init; } = [];

    /// <summary>[N] log-probs under the starting policy; empty when it is not kept.</summary>
    public float[] ReferenceLogProbs { get; init; } = [];

    /// <summary>[N] factors of the policy term; empty = 1.</summary>
    public float[] Importance { get; init; } = [];

    /// <summary>Samples of a group, which stand together.</summary>
    public int GroupSize { get; init; } = 1;

    /// <summary>Most tokens a response may have.</summary>
    public int MaxTokens { get; init; }
}
