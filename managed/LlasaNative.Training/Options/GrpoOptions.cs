using LlasaNative.Models;
using LlasaNative.Rewards;
using LlasaNative.Text;

namespace LlasaNative.Training;

/// <summary>Everything that decides a GRPO run, one record per concern.</summary>
public sealed record GrpoOptions
{
    /// <summary>Every key of a configuration file.</summary>
    public static OptionTable<GrpoOptions> Table { get; } = new OptionTable<GrpoOptions>(GrpoFaults.Of)
        .Preset("algorithm", "Sets several keys, listed in docs/algorithms.md; keys that are written down win over it.", o => o.Algorithm, (o, a) => o with { Algorithm = a }, AlgorithmPresets.Of)
        .Section("models", "The models: Hugging Face directories. Empty: the tiny models that come with the program.", o => o.Models, (o, s) => o with { Models = s }, SharedSections.Models)
        .Section("prompt", "How the policy is asked to speak.", o => o.Prompt, (o, s) => o with { Prompt = s }, SharedSections.Prompt)
        .Section("data", "Texts: .txt with one per line, .jsonl, .csv, .parquet, or a directory of such files.", o => o.Data, (o, s) => o with { Data = s }, SharedSections.Data)
        .Section("rollout", "How speech is drawn while training.", o => o.Rollout, (o, s) => o with { Rollout = s }, GrpoSections.Rollout)
        .Section("recogniser", "How the recogniser listens.", o => o.Scoring, (o, s) => o with { Scoring = s }, GrpoSections.Scoring)
        .Section("reward", "From transcript and likelihood to a reward of 0 to 1.", o => o.Reward, (o, s) => o with { Reward = s }, RewardSection.Fill)
        .Section("reward_server", "Reward servers (llasa serve-reward) in place of codec and recogniser in this process.", o => o.RewardServer, (o, s) => o with { RewardServer = s }, GrpoSections.RewardServer)
        .Section("loss", "From rewards to the gradient.", o => o.Loss, (o, s) => o with { Loss = s }, GrpoSections.Loss)
        .Section("lora", "A low-rank adapter that is trained in place of all weights.", o => o.Lora, (o, s) => o with { Lora = s }, GrpoSections.Lora)
        .Section("update", "How often a step's samples are used.", o => o.Update, (o, s) => o with { Update = s }, GrpoSections.Update)
        .Section("optimiser", "AdamW and its learning rate.", o => o.Optimiser, (o, s) => o with { Optimiser = s }, SharedSections.Optimiser)
        .Section("evaluation", "How held-out texts are spoken by evaluations during training (run.evaluate_every).", o => o.Evaluation, (o, s) => o with { Evaluation = s }, GrpoSections.Evaluation)
        .Section("run", "How long, and what is written where.", o => o.Run, (o, s) => o with { Run = s }, SharedSections.Run);

    /// <summary>The preset the other values started from.</summary>
    public Algorithm Algorithm { get; init; } = Algorithm.Grpo;

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

    /// <summary>An adapter that is trained in place of all weights.</summary>
    public LoraOptions Lora { get; init; } = new();

    /// <summary>How often a step's samples are used.</summary>
    public UpdateOptions Update { get; init; } = new();

    /// <summary>AdamW and its learning rate.</summary>
    public OptimiserOptions Optimiser { get; init; } = new();

    /// <summary>How evaluations during training speak; 0 tokens = as many as in training.</summary>
    public EvaluationOptions Evaluation { get; init; } = new() { MaxNewTokens = 0 };

    /// <summary>How long, and what is written where.</summary>
    public RunOptions Run { get; init; } = new();

    /// <summary>How the recogniser listens, with what the reward says of it.</summary>
    /// <param name="training">Whether transcripts matter for the reward alone.</param>
    public ScoringOptions ToScoring(bool training = false)
    {
        var endsEarly = Scoring.EarlyEnd switch
        {
            EarlyEnd.Auto => training && ComponentList.Parse(Reward.Components, []).All(c => c.Library is null),
            EarlyEnd.Always => true,
            EarlyEnd.Never => false,
            _ => throw new InvalidOperationException($"EarlyEnd {Scoring.EarlyEnd}: no such choice."),
        };
        return Scoring with
        {
            SilenceRms = Reward.SilenceRms,
            Bound = endsEarly ? new TranscriptBound(HarmonicUtilityReward.Saturation / Reward.BetaCer, RewardModel.NormalizationOf(ToReward())) : null,
        };
    }

    /// <summary>The judge of a run: the reward, in the recogniser's language.</summary>
    public SampleJudge CreateJudge() => new(ToReward());

    private RewardOptions ToReward() => Reward with { Language = Scoring.TextLanguage, MaxTokens = Rollout.MaxNewTokens };

    /// <summary>How evaluations during training speak, with what the rest of the options decides.</summary>
    public EvaluationOptions ToEvaluation() => Evaluation with
    {
        Seed = Run.Seed,
        MaxNewTokens = Evaluation.MaxNewTokens > 0 ? Evaluation.MaxNewTokens : Rollout.MaxNewTokens,
    };
}
