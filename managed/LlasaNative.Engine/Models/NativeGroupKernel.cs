namespace LlasaNative.Training;

/// <summary>Normalisation within groups by the native kernel.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
public sealed class NativeGroupKernel : IGroupKernel
{
    /// <inheritdoc/>
    public void Normalize(GroupBaseline baseline, double epsilon, ReadOnlySpan<float> rewards, ReadOnlySpan<long> groups, ReadOnlySpan<byte> mask, Span<float> advantages) =>
        NativeKernels.GroupAdvantage(EstimatorOf(baseline), rewards, groups, advantages, mask, (float)epsilon);

    /// <summary>What the native library calls a baseline.</summary>
    /// <param name="baseline">What a reward is compared with.</param>
    public static NativeAdvantageEstimator EstimatorOf(GroupBaseline baseline) => baseline switch
    {
        GroupBaseline.StandardScore => NativeAdvantageEstimator.Grpo,
        GroupBaseline.Mean => NativeAdvantageEstimator.DrGrpo,
        GroupBaseline.MeanOfOthers => NativeAdvantageEstimator.Rloo,
        _ => throw new ArgumentOutOfRangeException(nameof(baseline), baseline, "No such baseline."),
    };
}
