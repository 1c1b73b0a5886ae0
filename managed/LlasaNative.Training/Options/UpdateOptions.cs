namespace LlasaNative.Training;

/// <summary>How often a step's samples are used.</summary>
[RemovedOption("update.shuffle", "groups are in another order each epoch", "true")]
public sealed record UpdateOptions
{
    [Option("Passes over a step's samples.", AtLeast = 1, AtMost = 1000, Verl = "actor_rollout_ref.actor.ppo_epochs")]
    public int Epochs { get; init; } = 1;

    [Option("Groups of one optimiser update; 0: all of the step.", AtLeast = 0, AtMost = 1_000_000, Verl = "actor_rollout_ref.actor.ppo_mini_batch_size")]
    public int MiniBatchPrompts { get; init; }

}
