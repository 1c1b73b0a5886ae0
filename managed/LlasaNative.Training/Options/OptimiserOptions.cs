#pragma warning disable CS1591   // what [Option] says of a property is its documentation
using LlasaNative.Configuration;

namespace LlasaNative.Training;

/// <summary>AdamW and its learning rate.</summary>
[RemovedOption("optimiser.epsilon", "it is 1e-8, as PyTorch's", "1E-08")]
public sealed record OptimiserOptions
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

    [Option("Decay of the first moment.", AtLeast = 0, Below = 1, Verl = "actor_rollout_ref.actor.optim.betas")]
    public double Beta1 { get; init; } = 0.9;

    [Option("Decay of the second moment.", AtLeast = 0, Below = 1, Verl = "actor_rollout_ref.actor.optim.betas")]
    public double Beta2 { get; init; } = 0.999;

    [Option("Decoupled weight decay, on every parameter.", AtLeast = 0, Verl = "actor_rollout_ref.actor.optim.weight_decay")]
    public double WeightDecay { get; init; }

    [Option("Global L2 norm that gradients are scaled down to; 0: off.", AtLeast = 0, Verl = "actor_rollout_ref.actor.grad_clip")]
    public double MaxGradNorm { get; init; } = 1;

    [Option("Size of one forward and backward pass.", AtLeast = 1, Unit = "tokens", Verl = "actor_rollout_ref.actor.ppo_max_token_len_per_gpu")]
    public long MicroBatchTokens { get; init; } = 4096;

    [Option("Keep only layer inputs and compute each layer again in the backward pass: less memory, more time.", Verl = "actor_rollout_ref.model.enable_gradient_checkpointing")]
    public bool Recompute { get; init; }
}
