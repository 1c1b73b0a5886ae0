using LlasaNative.Extensions;

namespace LlasaNative.Training;

/// <summary>AdamW and its learning rate.</summary>
[RemovedOption("optimiser.epsilon", "it is 1e-8, as PyTorch's", "1E-08")]
[RemovedOption("optimiser.beta1", "`optimiser.betas` has both, as 0.9,0.999", "0.9")]
[RemovedOption("optimiser.beta2", "`optimiser.betas` has both, as 0.9,0.999", "0.999")]
public sealed record OptimiserOptions : ICheckedOptions
{
    [Option("Highest learning rate.", AtLeast = 0, Verl = "actor_rollout_ref.actor.optim.lr")]
    public double LearningRate { get; init; } = 1e-4;

    [Option("Steps over which the rate rises linearly.", AtLeast = 0, Verl = "actor_rollout_ref.actor.optim.lr_warmup_steps")]
    public int WarmupSteps { get; init; } = 5;

    [Option("What the rate does after warm-up.", Verl = "actor_rollout_ref.actor.optim.lr_scheduler_type")]
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Constant;

    [Option("Share of the highest rate that cosine and linear end at.", AtLeast = 0, AtMost = 1, Verl = "actor_rollout_ref.actor.optim.min_lr_ratio")]
    public double FinalRatio { get; init; }

    [Option("Steps at the end over which cosine and linear decay; 0: all after warm-up.", AtLeast = 0)]
    public int DecaySteps { get; init; }

    [Option("Decay of the first and of the second moment.", Takes = "two numbers of 0 to less than 1, separated by a comma", Verl = "actor_rollout_ref.actor.optim.betas")]
    public string Betas { get; init; } = "0.9,0.999";

    /// <summary>Decay of the first moment.</summary>
    public double Beta1 => Beta(0);

    /// <summary>Decay of the second moment.</summary>
    public double Beta2 => Beta(1);

    private double[] BothBetas => [.. Betas.Split(',').Select(b => double.TryParse(b, NumberStyles.Float, CultureInfo.InvariantCulture, out var beta) ? beta : double.NaN)];

    [Option("Decoupled weight decay, on every parameter.", AtLeast = 0, Verl = "actor_rollout_ref.actor.optim.weight_decay")]
    public double WeightDecay { get; init; }

    [Option("Global L2 norm that gradients are scaled down to; 0: off.", AtLeast = 0, Verl = "actor_rollout_ref.actor.grad_clip")]
    public double MaxGradNorm { get; init; } = 1;

    [Option("Size of one forward and backward pass.", AtLeast = 1, Unit = "tokens", Verl = "actor_rollout_ref.actor.ppo_max_token_len_per_gpu")]
    public long MicroBatchTokens { get; init; } = 4096;

    [Option("Keep only layer inputs and compute each layer again in the backward pass: less memory, more time.", Verl = "actor_rollout_ref.model.enable_gradient_checkpointing")]
    public bool Recompute { get; init; }

    [Option("Keep what attention made and compute gate and up of each MLP again: half of what `recompute` takes in time, and more than half of what it saves. `recompute` comes before it. Native engine only.")]
    public bool RecomputeMlp { get; init; }

    [Option("Keep AdamW's moments in page-locked memory of the host, 8 bytes a parameter: the same numbers and room on the GPU, for 16 bytes a parameter over the bus in every step. Native engine only.", Verl = "actor_rollout_ref.actor.fsdp_config.optimizer_offload")]
    public bool OffloadMoments { get; init; }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => BothBetas is [>= 0 and < 1, >= 0 and < 1] ? [] : [$"`optimiser.betas`: `{Betas}`, expected two numbers of 0 to less than 1, separated by a comma"];

    private double Beta(int which) => BothBetas is { Length: 2 } betas ? betas[which] : double.NaN;
}
