#pragma warning disable CS1591   // what [Option] says of a property is its documentation
using LlasaNative.Configuration;

namespace LlasaNative.Training;

/// <summary>How speech is drawn from the policy while training.</summary>
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

    [Option("Drop tokens less probable than this share of the best; 0: none. Log-probs ignore it: a bias that loss.importance weighs down.", AtLeast = 0, Below = 1)]
    public double MinP { get; init; }

    [Option("Penalty on tokens that came before; 1: none. Training does not apply it: the logged gap shows it.", Above = 0)]
    public double RepetitionPenalty { get; init; } = 1;

    [Option("Longest response, the end token included.", AtLeast = 1, Unit = "tokens", Verl = "data.max_response_length")]
    public int MaxNewTokens { get; init; } = 160;

    [Option("The end token cannot be drawn before this many tokens.", AtLeast = 0, Unit = "tokens")]
    public int MinNewTokens { get; init; }

    [Option("Restrict head and softmax to speech tokens and the end token, in rollouts and training alike.")]
    public bool SpeechOnly { get; init; } = true;

    [Option("Dynamic sampling: draw groups without variance again, from the next texts.", Verl = "algorithm.filter_groups.enable")]
    public bool Dynamic { get; init; }

    [Option("Most rounds of drawing of one step, the first included; dynamic sampling needs this bound. Groups still without variance are left out.", AtLeast = 0, AtMost = 1000, Verl = "algorithm.filter_groups.max_num_gen_batches")]
    public int DynamicRounds { get; init; }

    [Option("Score finished samples while others are still drawn; no result depends on it. auto: with reward servers or a GPU.", FreeOnResume = true)]
    public OverlapScoring OverlapScoring { get; init; } = OverlapScoring.Auto;

    [Option("Sequences decoded at once; no result depends on it.", AtLeast = 1, AtMost = 1_000_000, FreeOnResume = true, Verl = "actor_rollout_ref.rollout.max_num_seqs")]
    public int Slots { get; init; } = 64;

    [Option("Tokens drawn between two looks at which samples have ended; 0: 8 on a GPU, 1 on the CPU. More waits less and leaves places of ended samples empty longer.", AtLeast = 0, AtMost = 1024, Unit = "tokens", FreeOnResume = true)]
    public int ReadbackSteps { get; init; }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (MinNewTokens >= MaxNewTokens)
        {
            yield return "`rollout.min_new_tokens` must be less than `rollout.max_new_tokens`";
        }

        if (Dynamic && DynamicRounds < 1)
        {
            yield return "`rollout.dynamic` needs a bound: set `rollout.dynamic_rounds` to at least 1";
        }

        if (Dynamic && SamplesPerPrompt < 2)
        {
            yield return "`rollout.dynamic` needs `rollout.samples_per_prompt` of at least 2: a group of one has no variance";
        }
    }
}
