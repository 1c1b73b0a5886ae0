using LlasaNative.Interop;
using LlasaNative.Training;

namespace LlasaNative.Models;

/// <summary>Group advantages by the native library.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
public sealed class NativeAdvantageKernel : IAdvantageKernel
{
    /// <inheritdoc/>
    public float[] Compute(AdvantageEstimator estimator, ReadOnlySpan<float> rewards, ReadOnlySpan<long> groups, ReadOnlySpan<byte> takesPart, double epsilon)
    {
        var advantages = new float[rewards.Length];
        NativeKernels.GroupAdvantage(
            estimator switch
            {
                AdvantageEstimator.DrGrpo => NativeAdvantageEstimator.DrGrpo,
                AdvantageEstimator.Rloo => NativeAdvantageEstimator.Rloo,
                AdvantageEstimator.Grpo => NativeAdvantageEstimator.Grpo,
                _ => throw new ArgumentOutOfRangeException(nameof(estimator), estimator, "No estimator of groups."),
            },
            rewards, groups, advantages, takesPart, (float)epsilon);
        return advantages;
    }
}
