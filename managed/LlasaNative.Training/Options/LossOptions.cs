namespace LlasaNative.Training;

/// <summary>From rewards to the gradient.</summary>
public sealed record LossOptions
{
    /// <summary>How advantages are made from a group's rewards.</summary>
    public AdvantageEstimator Advantage { get; init; } = AdvantageEstimator.Grpo;

    /// <summary>Added to the standard deviation of a group's rewards.</summary>
    public double AdvantageEpsilon { get; init; } = 1e-6;

    /// <summary>A group whose rewards deviate by no more than this has no variance.</summary>
    public double MinGroupDeviation { get; init; }

    /// <summary>Leave groups without variance out of the loss, its KL term and its token counts.</summary>
    public bool MaskFlatGroups { get; init; } = true;

    /// <summary>What the probability ratio is of.</summary>
    public RatioLevel Ratio { get; init; } = RatioLevel.Token;

    /// <summary>Against which policy the ratio is taken.</summary>
    public ProximalPolicy Proximal { get; init; } = ProximalPolicy.Rollout;

    /// <summary>Of what the truncated importance weights are.</summary>
    public ImportanceLevel Importance { get; init; } = ImportanceLevel.None;

    /// <summary>Largest importance weight.</summary>
    public double ImportanceCap { get; init; } = 2;

    /// <summary>Lower end of the ratio's trust region, 1 minus this.</summary>
    public double ClipLow { get; init; } = 0.2;

    /// <summary>Upper end of the ratio's trust region, 1 plus this.</summary>
    public double ClipHigh { get; init; } = 0.2;

    /// <summary>Bound on the loss of negative advantages, more than 1; 0 = off.</summary>
    public double DualClip { get; init; }

    /// <summary>Weight of the KL divergence from the starting policy.</summary>
    public double KlCoefficient { get; init; }

    /// <summary>How the divergence is estimated.</summary>
    public KlEstimator KlEstimator { get; init; } = KlEstimator.K3;

    /// <summary>Where it is charged.</summary>
    public KlPlacement KlPlacement { get; init; } = KlPlacement.Loss;

    /// <summary>How the starting policy is kept.</summary>
    public ReferenceKind Reference { get; init; } = ReferenceKind.Auto;

    /// <summary>Whether a reference policy is needed.</summary>
    public bool KeepsReference => Reference switch
    {
        ReferenceKind.None => false,
        ReferenceKind.Auto => KlCoefficient > 0,
        ReferenceKind.F32 or ReferenceKind.Bf16 => true,
        _ => throw new InvalidOperationException($"Reference {Reference}: no such kind."),
    };

    /// <summary>Element type of the reference policy's matrices.</summary>
    /// <param name="policy">That of the policy.</param>
    public ComputeType ReferenceType(ComputeType policy) => Reference switch
    {
        ReferenceKind.F32 => ComputeType.F32,
        ReferenceKind.Bf16 => ComputeType.Bf16,
        ReferenceKind.Auto or ReferenceKind.None => policy,
        _ => throw new InvalidOperationException($"Reference {Reference}: no such kind."),
    };

    /// <summary>Weight of the entropy bonus.</summary>
    public double EntropyCoefficient { get; init; }

    /// <summary>How token losses are put together.</summary>
    public LossAggregation Aggregation { get; init; } = LossAggregation.TokenMean;
}
