namespace LlasaNative.Training;

/// <summary>The samples of a step, as an estimator of advantages sees them; the samples of a group are consecutive.</summary>
/// <param name="Rewards">[B] of each sample.</param>
/// <param name="GroupSize">Samples of each group.</param>
/// <param name="TakesPart">[B] which samples count.</param>
/// <param name="Lengths">[B] response tokens of each sample; N is their sum.</param>
/// <param name="Kernel">Normalises within groups.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record AdvantageBatch(double[] Rewards, int GroupSize, bool[] TakesPart, int[] Lengths, IGroupKernel Kernel)
{
    /// <summary>[N] what is charged at each token, the KL coefficient included; empty = nothing.</summary>
    public double[] Charges { get; init; } = [];

    /// <summary>[B] what each reward was added up from; the samples that take part have the same parts. Empty = unknown.</summary>
    public IReadOnlyList<RewardPart>[] Parts { get; init; } = [];

    /// <summary>[B] rewards, less all that is charged to their tokens.</summary>
    public double[] ChargedRewards()
    {
        var result = (double[])Rewards.Clone();
        var next = 0;
        for (var b = 0; b < result.Length && Charges.Length > 0; b++)
        {
            foreach (var charge in Charges.AsSpan(next, Lengths[b]))
            {
                result[b] -= charge;
            }

            next += Lengths[b];
        }

        return result;
    }

    /// <summary>Numbers of the samples, compared within their groups; 0 for those that take no part.</summary>
    /// <param name="values">[B].</param>
    /// <param name="baseline">With what they are compared.</param>
    /// <param name="epsilon">Added to a deviation.</param>
    public float[] WithinGroups(double[] values, GroupBaseline baseline, double epsilon = 0)
    {
        ArgumentNullException.ThrowIfNull(values);
        var (groups, mask, advantages) = (new long[values.Length], new byte[values.Length], new float[values.Length]);
        for (var i = 0; i < values.Length; i++)
        {
            (mask[i], groups[i]) = (TakesPart[i] ? (byte)1 : (byte)0, i / GroupSize);
        }

        Kernel.Normalize(baseline, epsilon, Array.ConvertAll(values, v => (float)v), groups, mask, advantages);
        return advantages;
    }
}
