using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Rewards;
using LlasaNative.Text;

namespace LlasaNative.Training;

/// <summary>Everything that decides a GRPO run, one record per concern.</summary>
public sealed record GrpoOptions
{
    /// <summary>Every key of a configuration file.</summary>
    public static OptionTable<GrpoOptions> Table { get; } = new OptionTable<GrpoOptions>(CrossFaults)
        .Section("models", "The models: Hugging Face directories. Empty: the tiny models that come with the program.", o => o.Models, (o, s) => o with { Models = s }, SharedSections.Models)
        .Section("prompt", "How the policy is asked to speak.", o => o.Prompt, (o, s) => o with { Prompt = s }, SharedSections.Prompt)
        .Section("data", "Texts: .txt with one per line, .jsonl, .csv, .parquet, or a directory of such files.", o => o.Data, (o, s) => o with { Data = s }, SharedSections.Data)
        .Section("rollout", "How speech is drawn while training.", o => o.Rollout, (o, s) => o with { Rollout = s }, GrpoSections.Rollout)
        .Section("recogniser", "How the recogniser listens.", o => o.Scoring, (o, s) => o with { Scoring = s }, GrpoSections.Scoring)
        .Section("reward", "From transcript and likelihood to a reward of 0 to 1.", o => o.Reward, (o, s) => o with { Reward = s }, RewardSection.Fill)
        .Section("reward_server", "Reward servers (llasa serve-reward) in place of codec and recogniser in this process.", o => o.RewardServer, (o, s) => o with { RewardServer = s }, GrpoSections.RewardServer)
        .Section("loss", "From rewards to the gradient.", o => o.Loss, (o, s) => o with { Loss = s }, GrpoSections.Loss)
        .Section("optimiser", "AdamW and its learning rate.", o => o.Optimiser, (o, s) => o with { Optimiser = s }, SharedSections.Optimiser)
        .Section("run", "How long, and what is written where.", o => o.Run, (o, s) => o with { Run = s }, SharedSections.Run);

    /// <summary>Which models take part.</summary>
    public ModelOptions Models { get; init; } = new();

    /// <summary>How the policy is asked to speak.</summary>
    public PromptOptions Prompt { get; init; } = new();

    /// <summary>Which texts are spoken.</summary>
    public DataOptions Data { get; init; } = new();

    /// <summary>How speech is drawn.</summary>
    public RolloutOptions Rollout { get; init; } = new();

    /// <summary>How the recogniser listens.</summary>
    public ScoringOptions Scoring { get; init; } = new();

    /// <summary>From transcript and likelihood to a reward.</summary>
    public RewardOptions Reward { get; init; } = new();

    /// <summary>Who measures rewards when not this process.</summary>
    public RewardServerOptions RewardServer { get; init; } = new();

    /// <summary>From rewards to the gradient.</summary>
    public LossOptions Loss { get; init; } = new();

    /// <summary>AdamW and its learning rate.</summary>
    public OptimiserOptions Optimiser { get; init; } = new();

    /// <summary>How long, and what is written where.</summary>
    public RunOptions Run { get; init; } = new();

    /// <summary>The judge of a run: the reward, in the recogniser's language.</summary>
    public SampleJudge CreateJudge() => new(Reward with { Language = Scoring.Language });

    private static IEnumerable<string> CrossFaults(GrpoOptions options)
    {
        foreach (var fault in RewardSection.Faults(options.Reward).Concat(RewardServerOptions.Faults(options.RewardServer)))
        {
            yield return fault;
        }

        if (options.Rollout.MinNewTokens >= options.Rollout.MaxNewTokens)
        {
            yield return "`rollout.min_new_tokens` must be less than `rollout.max_new_tokens`";
        }

        if (options.Loss.DualClip is > 0 and <= 1)
        {
            yield return "`loss.dual_clip` must be 0 or more than 1";
        }

        if (options.Loss.Advantage == NativeAdvantageEstimator.Rloo && options.Rollout.SamplesPerPrompt < 2)
        {
            yield return "`loss.advantage` rloo needs `rollout.samples_per_prompt` of at least 2";
        }
    }
}
