namespace LlasaNative.Training;

/// <summary>Everything that decides a GRPO run, one record per concern.</summary>
public sealed record GrpoOptions : IPresetOptions, ICheckedOptions
{
    [AlgorithmOption("Sets several keys, listed in docs/algorithms.md; keys that are written down win over it.")]
    public string Algorithm { get; init; } = "grpo";

    [Option("The models: Hugging Face directories. Empty: the tiny models that come with the program.")]
    public ModelOptions Models { get; init; } = new();

    [Option("How the policy is asked to speak.")]
    public PromptOptions Prompt { get; init; } = new();

    [Option("Texts: .txt with one per line, .jsonl, .csv, .parquet, or a directory of such files.")]
    public DataOptions Data { get; init; } = new();

    [Option("How speech is drawn while training.")]
    public RolloutOptions Rollout { get; init; } = new();

    [Option("How the recogniser listens.", Name = "recogniser")]
    public ScoringOptions Scoring { get; init; } = new();

    [Option("From transcript and likelihood to a reward of 0 to 1.")]
    public RewardOptions Reward { get; init; } = new();

    [Option("Reward servers (llasa serve-reward) in place of codec and recogniser in this process.", FreeOnResume = true)]
    public RewardServerOptions RewardServer { get; init; } = new();

    [Option("A model behind HTTP that hears two samples and says which is the better, in place of the reward; of algorithm online_dpo.")]
    public JudgeOptions Judge { get; init; } = new();

    [Option("From rewards to the gradient.")]
    public LossOptions Loss { get; init; } = new();

    [Option("A low-rank adapter that is trained in place of all weights.")]
    public LoraOptions Lora { get; init; } = new();

    [Option("How often a step's samples are used.")]
    public UpdateOptions Update { get; init; } = new();

    [Option("AdamW and its learning rate.")]
    public OptimiserOptions Optimiser { get; init; } = new();

    [Option("What trains the policy.")]
    public TrainerOptions Trainer { get; init; } = new();

    [Option("How held-out texts are spoken by evaluations during training (run.evaluate_every).", FreeOnResume = true)]
    public EvaluationOptions Evaluation { get; init; } = new();

    [Option("How long, and what is written where.")]
    public RunOptions Run { get; init; } = new();

    [Option("What ends the run before its last step, with a checkpoint and the reason; the dashboard draws the bounds.", FreeOnResume = true)]
    public StopOptions StopWhen { get; init; } = new();

    /// <summary>How the recogniser listens, with what the reward says of it.</summary>
    /// <param name="training">Whether transcripts matter for the reward alone.</param>
    public ScoringOptions ToScoring(bool training = false)
    {
        var endsEarly = Scoring.EarlyEnd switch
        {
            EarlyEnd.Auto => training && ComponentList.Parse(Reward.Components, []).All(c => c.Name.Library is null),
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

    /// <summary>The reward, in the recogniser's language.</summary>
    public RewardOptions ToReward() => Reward with { Language = Scoring.TextLanguage, MaxTokens = Rollout.MaxNewTokens };

    /// <summary>The judge of pairs, waited for as reward servers are.</summary>
    public JudgeOptions ToJudge() => Judge with
    {
        TimeoutSeconds = RewardServer.TimeoutSeconds,
        Retries = RewardServer.Retries,
        MaxNotJudged = RewardServer.MaxNotScored,
    };

    /// <summary>How evaluations during training speak, with what the rest of the options decides.</summary>
    public EvaluationOptions ToEvaluation() => Evaluation with
    {
        Seed = Run.Seed,
        MaxNewTokens = Rollout.MaxNewTokens,
    };

    /// <inheritdoc/>
    public IEnumerable<OptionAssignment> Preset() => AlgorithmPresets.Of(Algorithm).Select(p => new OptionAssignment(p.Key, p.Value, $"algorithm {Algorithm}"));

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        List<string> faults = AlgorithmPresets.Names.Contains(Algorithm) ? [] : [$"`algorithm`: `{Algorithm}` is not one of {string.Join(", ", AlgorithmPresets.Names)}"];
        faults.AddRange(StopWhen.KlAbove > 0 && !Loss.KeepsReference ? ["`stop_when.kl_above` needs a starting policy to compare with: set `loss.reference` to f32 or bf16, or `loss.kl_coefficient`"] : []);
        faults.AddRange(StopWhen.CerRises > 0 && Run.EvaluateEvery == 0 ? ["`stop_when.cer_rises` needs evaluations, but `run.evaluate_every` is 0"] : []);
        var objective = Made("loss.objective", Loss.CreateLoss, faults);
        faults.AddRange(objective?.NeedsReference == true && !Loss.KeepsReference ? [$"`loss.objective` {Loss.Objective} needs a reference, but `loss.reference` is none"] : []);
        if (objective is DpoLoss preferences)
        {
            faults.AddRange(preferences is { Kind: PreferenceLossKind.Ipo, LabelSmoothing: > 0 } ? [$"`loss.objective` {Loss.Objective}: ipo has no label smoothing"] : []);
            faults.AddRange(Update.Epochs > 1 || Update.MiniBatchPrompts > 0 ? [$"`loss.objective` {Loss.Objective} makes one update of a step: `update.epochs` must be 1 and `update.mini_batch_prompts` 0"] : []);
            faults.AddRange(Rollout.SamplesPerPrompt < 2 ? [$"`loss.objective` {Loss.Objective} prefers one sample of a text to another: `rollout.samples_per_prompt` must be at least 2"] : []);
        }

        faults.AddRange(Judge.Enabled && objective is not (null or DpoLoss) ? [$"`judge.url` has pairs judged, which `loss.objective` {Loss.Objective} does not know: set `algorithm` to online_dpo"] : []);
        if (Made("loss.advantage", Loss.CreateAdvantage, faults) is { } advantage)
        {
            faults.AddRange(Rollout.Dynamic && !advantage.ComparesGroups
                ? [$"`rollout.dynamic_rounds` of more than 1 contradicts `loss.advantage` {Loss.Advantage}, for which groups do not matter"] : []);
            faults.AddRange(advantage.Faults(Loss, Rollout));
        }

        return Update.MiniBatchPrompts <= Rollout.PromptsPerStep ? faults : [.. faults, "`update.mini_batch_prompts` must not be more than `rollout.prompts_per_step`"];
    }

    internal static T? Made<T>(string key, Func<T> create, List<string> faults)
        where T : class
    {
        try
        {
            return create();
        }
        catch (UsageException e)
        {
            faults.Add($"`{key}`: {e.Message}");
            return null;
        }
    }
}
