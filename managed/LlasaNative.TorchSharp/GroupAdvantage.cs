using LlasaNative.Training;
using TorchSharp;
using static TorchSharp.torch;

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
    public static Tensor Normalize(Tensor rewards, Tensor groups, GroupBaseline baseline = GroupBaseline.StandardScore, double epsilon = 1e-6, Tensor? mask = null)
    {
        var values = HostTensor.Elements<float>(rewards, nameof(rewards), -1);
        var count = values.Length;
        var ids = HostTensor.Elements<long>(groups, nameof(groups), count);
        var kept = mask is null ? [] : HostTensor.Elements<byte>(mask, nameof(mask), count);
        var advantages = empty(count, dtype: ScalarType.Float32);
        try
        {
            new NativeGroupKernel().Normalize(baseline, epsilon, values, ids, kept, HostTensor.Elements<float>(advantages, nameof(advantages), count));
            return advantages;
        }
        catch
        {
            advantages.Dispose();
            throw;
        }
    }
}
