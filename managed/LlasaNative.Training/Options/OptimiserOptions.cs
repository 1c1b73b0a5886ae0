using LlasaNative.Extensions;

namespace LlasaNative.Training;

/// <summary>AdamW and its learning rate.</summary>
[RemovedOption("optimiser.epsilon", "it is 1e-8, as PyTorch's", "1E-08")]
[RemovedOption("optimiser.beta1", "`optimiser.betas` has both, as 0.9,0.999", "0.9")]
[RemovedOption("optimiser.beta2", "`optimiser.betas` has both, as 0.9,0.999", "0.999")]
[RemovedOption("optimiser.final_ratio", "it is an option of the schedule, linear(final_ratio=0.1) in `optimiser.schedule`", Verl = "actor_rollout_ref.actor.optim.min_lr_ratio")]
[RemovedOption("optimiser.decay_steps", "it is an option of the schedule, linear(decay_steps=100) in `optimiser.schedule`")]
[RemovedOption("optimiser.recompute_mlp", "set `optimiser.recompute` to mlp")]
public sealed record OptimiserOptions : ICheckedOptions
{
    [Option("Highest learning rate.", AtLeast = 0, Verl = "actor_rollout_ref.actor.optim.lr")]
    public double LearningRate { get; init; } = 1e-4;

    [Option("Steps over which the rate rises linearly.", AtLeast = 0, Verl = "actor_rollout_ref.actor.optim.lr_warmup_steps")]
    public int WarmupSteps { get; init; } = 5;

    [ClassOption<ISchedule>("What the rate does after warm-up: it stays, or falls along half a cosine or a line, to final_ratio (0) of the highest, over the last decay_steps (0: all after warm-up).", Verl = "actor_rollout_ref.actor.optim.lr_scheduler_type")]
    public string Schedule { get; init; } = "constant";

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

    [Option("true: keep only layer inputs and compute each layer again in the backward pass: less memory, more time. mlp: keep what attention made and compute gate and up of each MLP again: half of what true takes in time, and more than half of what it saves; native engine only.", Verl = "actor_rollout_ref.model.enable_gradient_checkpointing")]
    public Recompute Recompute { get; init; }

    [Option("Keep AdamW's moments in page-locked memory of the host, 8 bytes a parameter: the same numbers and room on the GPU, for 16 bytes a parameter over the bus in every step. Native engine only.", Verl = "actor_rollout_ref.actor.fsdp_config.optimizer_offload")]
    public bool OffloadMoments { get; init; }

    /// <summary>What the rate does after warm-up.</summary>
    /// <exception cref="UsageException">There is no such schedule, or an option of its own is wrong.</exception>
    public ISchedule CreateSchedule() => Catalogue<ISchedule>.Create(Schedule, this);

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        List<string> faults = BothBetas is [>= 0 and < 1, >= 0 and < 1] ? []
            : [$"`optimiser.betas`: `{Betas}`, expected two numbers of 0 to less than 1, separated by a comma"];
        _ = GrpoOptions.Made("optimiser.schedule", CreateSchedule, faults);
        return faults;
    }

    private double Beta(int which) => BothBetas is { Length: 2 } betas ? betas[which] : double.NaN;
}
