using LlasaNative.Interop;

namespace LlasaNative.Training;

/// <summary>From rewards to the gradient.</summary>
public sealed record LossOptions
{
    /// <summary>How advantages are made from a group's rewards.</summary>
    public NativeAdvantageEstimator Advantage { get; init; } = NativeAdvantageEstimator.Grpo;

    /// <summary>Added to the standard deviation of a group's rewards.</summary>
    public double AdvantageEpsilon { get; init; } = 1e-6;

    /// <summary>Lower end of the ratio's trust region, 1 minus this.</summary>
    public double ClipLow { get; init; } = 0.2;

    /// <summary>Upper end of the ratio's trust region, 1 plus this.</summary>
    public double ClipHigh { get; init; } = 0.2;

    /// <summary>Bound on the loss of negative advantages, more than 1; 0 = off.</summary>
    public double DualClip { get; init; }

    /// <summary>Weight of the k3 estimate of the KL divergence from the starting policy; 0 = no reference is kept.</summary>
    public double KlCoefficient { get; init; }

    /// <summary>Weight of the entropy bonus.</summary>
    public double EntropyCoefficient { get; init; }

    /// <summary>How token losses are put together.</summary>
    public NativeLossAggregation Aggregation { get; init; } = NativeLossAggregation.TokenMean;
}
