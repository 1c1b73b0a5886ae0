using LlasaNative.Interop;

namespace LlasaNative.Training;

/// <summary>Normalisation within groups by the native kernel.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
public sealed class NativeGroupKernel : IGroupKernel
{
    /// <inheritdoc/>
    public void Normalize(GroupBaseline baseline, double epsilon, ReadOnlySpan<float> rewards, ReadOnlySpan<long> groups, ReadOnlySpan<byte> mask, Span<float> advantages)
    {
        var estimator = baseline switch
        {
            GroupBaseline.StandardScore => NativeAdvantageEstimator.Grpo,
            GroupBaseline.Mean => NativeAdvantageEstimator.DrGrpo,
            GroupBaseline.MeanOfOthers => NativeAdvantageEstimator.Rloo,
            _ => throw new ArgumentOutOfRangeException(nameof(baseline), baseline, "No such baseline."),
        };
        NativeKernels.GroupAdvantage(estimator, rewards, groups, advantages, mask, (float)epsilon);
    }
}
