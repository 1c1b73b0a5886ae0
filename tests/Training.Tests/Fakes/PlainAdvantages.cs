namespace LlasaNative.Training.Tests.Fakes;

/// <summary>Group advantages as their papers write them.</summary>
internal sealed class PlainAdvantages : IAdvantageKernel
{
    public float[] Compute(AdvantageEstimator estimator, ReadOnlySpan<float> rewards, ReadOnlySpan<long> groups, ReadOnlySpan<byte> takesPart, double epsilon)
    {
        var (all, of, counts) = (rewards.ToArray(), groups.ToArray(), takesPart.ToArray());
        return [.. all.Select((reward, i) => counts[i] == 0 ? 0 : (float)Of(estimator, reward, [.. all.Where((_, j) => of[j] == of[i] && counts[j] != 0).Select(r => (double)r)], epsilon))];
    }

    /// <summary>The advantage of one reward among those of its group, itself included.</summary>
    public static double Of(AdvantageEstimator estimator, double reward, double[] group, double epsilon)
    {
        if (group.Length == 1)
        {
            return reward;
        }

        var mean = group.Average();
        return estimator switch
        {
            AdvantageEstimator.Grpo => (reward - mean) / (Math.Sqrt(group.Sum(r => (r - mean) * (r - mean)) / (group.Length - 1)) + epsilon),
            AdvantageEstimator.DrGrpo => reward - mean,
            AdvantageEstimator.Rloo => reward - ((group.Sum() - reward) / (group.Length - 1)),
            _ => throw new ArgumentOutOfRangeException(nameof(estimator), estimator, "not within groups"),
        };
    }
}
