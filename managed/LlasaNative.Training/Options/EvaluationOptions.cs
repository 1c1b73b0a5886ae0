namespace LlasaNative.Training;

/// <summary>How held-out texts are spoken and judged.</summary>
[RemovedOption("evaluation.top_k", "use `evaluation.top_p`")]
[RemovedOption("evaluation.max_new_tokens", "it is `rollout.max_new_tokens`")]
[RemovedOption("evaluation.batch_size", "no result depended on it")]
public sealed record EvaluationOptions
{
    [Option("A second recogniser, which listens to evaluations beside the one that rewards, and never rewards (docs/reward.md). Empty: none.", Takes = "directory, or ggml file", IsPath = true)]
    public string Recogniser { get; init; } = "";

    [Option("Samples of each text.", AtLeast = 1, AtMost = 10_000, Verl = "actor_rollout_ref.rollout.val_kwargs.n")]
    public int Samples { get; init; } = 1;

    [Option("Softmax temperature; 0: greedy.", AtLeast = 0, Verl = "actor_rollout_ref.rollout.val_kwargs.temperature")]
    public double Temperature { get; init; } = 0.8;

    /// <summary>Draw from the k most probable tokens only; 0 = all.</summary>
    public int TopK { get; init; }

    [Option("Draw from the smallest set with this much probability; 1: all.", Above = 0, AtMost = 1, Verl = "actor_rollout_ref.rollout.val_kwargs.top_p")]
    public double TopP { get; init; } = 0.9;

    /// <summary>Longest response in tokens.</summary>
    public int MaxNewTokens { get; init; } = 160;

    /// <summary>Texts spoken at once; no result depends on it.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Measure pitch, pauses and speed of every sample.</summary>
    public bool Prosody { get; init; }

    /// <summary>Seed: sample j of text i is the same whatever else is evaluated.</summary>
    public long Seed { get; init; } = 1;
}
