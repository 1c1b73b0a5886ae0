namespace LlasaNative.Torch;

/// <summary>The native kernel that compares rewards within groups, on tensors.</summary>
/// <remarks><inheritdoc cref="FusedSampling" path="/remarks"/></remarks>
public static class GroupAdvantage
{
    /// <summary>Advantages of rewards within their groups.</summary>
    /// <param name="rewards">[I] float32; not changed. NaN spreads through its own group alone.</param>
    /// <param name="groups">[I] int64: which samples belong together.</param>
    /// <param name="baseline">What a reward is compared with.</param>
    /// <param name="epsilon">Added to the standard deviation.</param>
    /// <param name="mask">[I] bool: those that take part, others get 0; null = all.</param>
    /// <returns>[I] float32. Dispose it.</returns>
    /// <exception cref="ArgumentException">A tensor is not as it must be.</exception>
    public static Tensor Normalize(Tensor rewards, Tensor groups, GroupBaseline baseline = GroupBaseline.StandardScore, double epsilon = 1e-6, Tensor? mask = null) =>
        Normalize(TensorMemory.PlaceOf(rewards, nameof(rewards)), rewards, groups, baseline, epsilon, mask);

    internal static Tensor Normalize(NativeDevicePlace? place, Tensor rewards, Tensor groups, GroupBaseline baseline, double epsilon, Tensor? mask)
    {
        TensorMemory.Check<float>(rewards, nameof(rewards), rewards, -1);
        var count = rewards.shape[0];
        TensorMemory.Check<long>(groups, nameof(groups), rewards, count);
        if (mask is not null)
        {
            TensorMemory.Check<byte>(mask, nameof(mask), rewards, count);
        }

        var estimator = NativeGroupKernel.EstimatorOf(baseline);
        return empty(count, dtype: ScalarType.Float32, device: rewards.device).DisposeOnFailure(advantages =>
        {
            if (place is { } on)
            {
                NativeKernels.GroupAdvantage(
                    on, estimator, TensorMemory.Array<float>(rewards), TensorMemory.Array<long>(groups), TensorMemory.Array<float>(advantages), TensorMemory.Array<byte>(mask), (float)epsilon);
            }
            else
            {
                NativeKernels.GroupAdvantage(
                    estimator, TensorMemory.Elements<float>(rewards), TensorMemory.Elements<long>(groups), TensorMemory.Elements<float>(advantages), TensorMemory.Elements<byte>(mask), (float)epsilon);
            }
        });
    }
}
