namespace LlasaNative.Training;

/// <summary>⑧ Group advantages, as the engine computes them.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
public interface IAdvantageKernel
{
    /// <summary>The advantages of samples over their groups.</summary>
    /// <param name="estimator">One of those that compare within groups.</param>
    /// <param name="rewards">[B] of each sample.</param>
    /// <param name="groups">[B] which group each belongs to; groups are consecutive.</param>
    /// <param name="takesPart">[B] which count; the others get 0.</param>
    /// <param name="epsilon">Added to a group's standard deviation.</param>
    float[] Compute(AdvantageEstimator estimator, ReadOnlySpan<float> rewards, ReadOnlySpan<long> groups, ReadOnlySpan<byte> takesPart, double epsilon);
}
