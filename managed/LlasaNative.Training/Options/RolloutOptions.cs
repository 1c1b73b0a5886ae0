namespace LlasaNative.Training;

/// <summary>How speech is drawn from the policy while training.</summary>
[RemovedOption("rollout.min_p", "use `rollout.top_p`", "0")]
[RemovedOption("rollout.repetition_penalty", "training never applied it; a component of `reward.components` can charge repetition", "1")]
[RemovedOption("rollout.min_new_tokens", "a sample that ends at once is refused by the reward", "0")]
[RemovedOption("rollout.dynamic", "set `rollout.dynamic_rounds` to more than 1")]
[RemovedOption("rollout.overlap_scoring", "samples are scored while others are drawn with reward servers and on a GPU")]
[RemovedOption("rollout.readback_steps", "the library chooses")]
public sealed record RolloutOptions : ICheckedOptions
{
    [Option("Texts per step.", AtLeast = 1, AtMost = 1_000_000, Verl = "data.train_batch_size")]
    public int PromptsPerStep { get; init; } = 16;

    [Option("Samples per text: the size of a group.", AtLeast = 1, AtMost = 10_000, Verl = "actor_rollout_ref.rollout.n")]
    public int SamplesPerPrompt { get; init; } = 8;

    [Option("Softmax temperature, also of the log-probs that are trained on.", Above = 0, Verl = "actor_rollout_ref.rollout.temperature")]
    public double Temperature { get; init; } = 0.8;

    [Option("Draw from the k most probable tokens only; 0: all. Log-probs ignore it: a bias that loss.importance weighs down.", AtLeast = 0, Verl = "actor_rollout_ref.rollout.top_k")]
    public int TopK { get; init; }

    [Option("Draw from the smallest set with this much probability; 1: all. Log-probs ignore it: a bias that loss.importance weighs down.", Above = 0, AtMost = 1, Verl = "actor_rollout_ref.rollout.top_p")]
    public double TopP { get; init; } = 1;

    [Option("Longest response, the end token included.", AtLeast = 1, Unit = "tokens", Verl = "data.max_response_length")]
    public int MaxNewTokens { get; init; } = 160;

    [Option("Restrict head and softmax to speech tokens and the end token, in rollouts and training alike.")]
    public bool SpeechOnly { get; init; } = true;

    [Option("Most rounds of drawing of one step; more than 1 is dynamic sampling: groups without variance are drawn again, from the next texts, and left out if they are still so.", AtLeast = 1, AtMost = 1000, Verl = "algorithm.filter_groups.max_num_gen_batches")]
    public int DynamicRounds { get; init; } = 1;

    /// <summary>Whether groups without variance are drawn again.</summary>
    public bool Dynamic => DynamicRounds > 1;

    [Option("Sequences decoded at once; what is drawn does not depend on it, its log-probs do by their rounding.", AtLeast = 1, AtMost = 1_000_000, FreeOnResume = true, Verl = "actor_rollout_ref.rollout.max_num_seqs")]
    public int Slots { get; init; } = 64;

    /// <summary>How speech tokens are drawn.</summary>
    /// <param name="seed">Key of the random numbers.</param>
    public SamplingSettings ToSampling(ulong seed) =>
        new() { Temperature = Temperature, TopK = TopK, TopP = TopP, MaxNewTokens = MaxNewTokens, SpeechOnly = SpeechOnly, Seed = seed };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Dynamic && SamplesPerPrompt < 2)
        {
            yield return "`rollout.dynamic_rounds` of more than 1 needs `rollout.samples_per_prompt` of at least 2: a group of one has no variance";
        }
    }
}
