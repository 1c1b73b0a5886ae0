namespace LlasaNative.Training.Tests.Fakes;

/// <summary>Group advantages as their papers write them.</summary>
internal sealed class PlainAdvantages : IGroupKernel
{
    public void Normalize(GroupBaseline baseline, double epsilon, ReadOnlySpan<float> rewards, ReadOnlySpan<long> groups, ReadOnlySpan<byte> mask, Span<float> advantages)
    {
        var (all, of, counts) = (rewards.ToArray(), groups.ToArray(), mask.ToArray());
        for (var i = 0; i < all.Length; i++)
        {
            double[] group = [.. all.Where((_, j) => of[j] == of[i] && counts[j] != 0).Select(r => (double)r)];
            advantages[i] = counts[i] == 0 ? 0 : (float)Of(baseline, all[i], group, epsilon);
        }
    }

    /// <summary>The advantage of one reward among those of its group, itself included.</summary>
    public static double Of(GroupBaseline baseline, double reward, double[] group, double epsilon)
    {
        if (group.Length == 1)
        {
            return reward;
        }

        var mean = group.Average();
        return baseline switch
        {
            GroupBaseline.StandardScore => (reward - mean) / (Math.Sqrt(group.Sum(r => (r - mean) * (r - mean)) / (group.Length - 1)) + epsilon),
            GroupBaseline.Mean => reward - mean,
            GroupBaseline.MeanOfOthers => reward - ((group.Sum() - reward) / (group.Length - 1)),
            _ => throw new ArgumentOutOfRangeException(nameof(baseline), baseline, "not within groups"),
        };
    }
}
