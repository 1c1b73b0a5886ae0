using LlasaNative.Extensions;

namespace LlasaNative.Training;

/// <summary>From rewards to the gradient.</summary>
[RemovedOption("loss.proximal", "ratios are taken against the policy that drew the samples, as in PPO; lower `update.epochs` where they leave the clip range", "rollout")]
[RemovedOption("loss.advantage_epsilon", "it is an option of the estimator, grpo(epsilon=1e-6) in `loss.advantage`", "1E-06")]
[RemovedOption("loss.importance_cap", "it is 2, as in verl", "2")]
public sealed record LossOptions : ICheckedOptions
{
    [ClassOption<IAdvantage>("How advantages are made from rewards.", Verl = "algorithm.adv_estimator")]
    public string Advantage { get; init; } = "grpo";

    [ClassOption<ILoss>("The policy's loss: the clipped ratio; REINFORCE's log-prob, which knows no ratio; or dpo, by which the best sample of a group is preferred to the worst.")]
    public string Objective { get; init; } = "clipped";

    [Option("A group whose rewards deviate by no more than this counts as without variance.", AtLeast = 0)]
    public double MinGroupDeviation { get; init; }

    [Option("Leave groups without variance out of the loss, its KL term and its token counts.")]
    public bool MaskFlatGroups { get; init; } = true;

    [Option("What the probability ratio is of: each token, or (GSPO) the whole sequence, its tokens' geometric mean.", Verl = "actor_rollout_ref.actor.policy_loss.loss_mode")]
    public RatioLevel Ratio { get; init; } = RatioLevel.Token;

    [Option("Truncated importance weights between the policy that drew the samples and what the tokens were really drawn with: top-p and its kin.", Verl = "algorithm.rollout_correction.rollout_is")]
    public ImportanceLevel Importance { get; init; } = ImportanceLevel.None;

    /// <summary>Largest importance weight; 2 is verl's.</summary>
    public double ImportanceCap { get; init; } = 2;

    [Option("The ratio is clipped below 1 minus this.", AtLeast = 0, AtMost = 1, Verl = "actor_rollout_ref.actor.clip_ratio_low")]
    public double ClipLow { get; init; } = 0.2;

    [Option("The ratio is clipped above 1 plus this.", AtLeast = 0, Verl = "actor_rollout_ref.actor.clip_ratio_high")]
    public double ClipHigh { get; init; } = 0.2;

    [Option("Bound on the loss of negative advantages, more than 1; 0: off.", AtLeast = 0, Verl = "actor_rollout_ref.actor.clip_ratio_c")]
    public double DualClip { get; init; }

    [Option("Weight of the KL divergence from the starting policy.", AtLeast = 0, Verl = "actor_rollout_ref.actor.kl_loss_coef")]
    public double KlCoefficient { get; init; }

    [Option("k1 = log ratio, k2 = its square / 2, k3 = ratio - 1 - log ratio. k1 in the loss has a gradient of 0 on average.", Verl = "actor_rollout_ref.actor.kl_loss_type")]
    public KlEstimator KlEstimator { get; init; } = KlEstimator.K3;

    [Option("Charge the divergence in the loss, or in the reward.", Verl = "algorithm.use_kl_in_reward")]
    public KlPlacement KlPlacement { get; init; } = KlPlacement.Loss;

    [Option("How the starting policy is kept: auto keeps it in models.policy_type when the KL coefficient is above 0 or the objective needs it. bf16 takes half the memory, q8 (on the CPU) a good quarter; beside a policy in f32 its rounding is part of the divergence.")]
    public ReferenceKind Reference { get; init; } = ReferenceKind.Auto;

    /// <summary>Whether a reference policy is needed.</summary>
    public bool KeepsReference => Reference switch
    {
        ReferenceKind.None => false,
        ReferenceKind.Auto => KlCoefficient > 0 || ObjectiveNeedsReference,
        ReferenceKind.F32 or ReferenceKind.Bf16 or ReferenceKind.Q8 => true,
        _ => throw new InvalidOperationException($"Reference {Reference}: no such kind."),
    };

    private bool ObjectiveNeedsReference
    {
        get
        {
            try
            {
                return CreateLoss().NeedsReference;
            }
            catch (UsageException)
            {
                return false;   // whoever checks the options says what is wrong with it
            }
        }
    }

    /// <summary>Element type of the reference policy's matrices.</summary>
    /// <param name="policy">That of the policy.</param>
    public ComputeType ReferenceType(ComputeType policy) => Reference.TypeBeside(policy);

    [Option("Weight of the entropy bonus.", AtLeast = 0, Verl = "actor_rollout_ref.actor.entropy_coeff")]
    public double EntropyCoefficient { get; init; }

    [Option("How token losses are put together.", Verl = "actor_rollout_ref.actor.loss_agg_mode")]
    public LossAggregation Aggregation { get; init; } = LossAggregation.TokenMean;

    /// <summary>The estimator of advantages.</summary>
    /// <exception cref="UsageException">There is none of that name, or an option of its own is wrong.</exception>
    public IAdvantage CreateAdvantage() => Catalogue<IAdvantage>.Create(Advantage, this);

    /// <summary>The loss.</summary>
    /// <exception cref="UsageException">There is none of that name, or an option of its own is wrong.</exception>
    public ILoss CreateLoss() => Catalogue<ILoss>.Create(Objective, this);

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (DualClip is > 0 and <= 1)
        {
            yield return "`loss.dual_clip` must be 0 or more than 1";
        }

        if (KlCoefficient > 0 && !KeepsReference)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"`loss.kl_coefficient` {KlCoefficient:R} needs a reference, but `loss.reference` is none");
        }
    }
}
