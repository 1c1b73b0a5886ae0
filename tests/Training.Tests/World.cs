using LlasaNative.Judging;
using LlasaNative.Recognition;
using LlasaNative.Reporting;
using LlasaNative.Rewards;
using LlasaNative.Training.Tests.Fakes;

namespace LlasaNative.Training.Tests;

/// <summary>A run on fakes: rewards are 1 where the transcript is the text and 0 elsewhere, unless a test says otherwise.</summary>
internal sealed class World : IDisposable
{
    private readonly GrpoModels _models;
    private readonly IWorld _ranks;

    public World(GrpoOptions options, string[] texts, Func<string, int, int[]>? script = null, double[]? adapter = null, bool besidePolicy = false, Data.Utterance[]? voices = null, IWorld? ranks = null,
        IPairJudge? judge = null)
    {
        Options = options;
        Policy = new TablePolicy { Script = script, Adapter = adapter };
        Recognition = new ScriptedRecognition { WorksBesidePolicy = besidePolicy };
        (Trainer, _ranks) = (new TableTrainer(Policy, ranks), ranks ?? Ranks.Alone);
        _models = new GrpoModels(Policy, Recognition);
        Loop = new GrpoLoop(options, _models, Trainer, new PlainAdvantages(), _models.Encode(texts, options.Rollout.MaxNewTokens, options.Data.MaxPromptTokens), voices, ranks, judge);
        Policy.Calls.Clear();
    }

    public GrpoOptions Options { get; }

    public TablePolicy Policy { get; }

    public ScriptedRecognition Recognition { get; }

    public TableTrainer Trainer { get; }

    public GrpoLoop Loop { get; }

    /// <summary>Settings of small steps; rate 0.5 without warm-up.</summary>
    public static GrpoOptions Settings(int prompts = 2, int samples = 2) => new()
    {
        Data = new DataOptions { Shuffle = false },
        Rollout = new RolloutOptions { PromptsPerStep = prompts, SamplesPerPrompt = samples, MaxNewTokens = 4, Temperature = 1, TopP = 1 },
        Reward = new RewardOptions { Mode = RewardMode.Seed, Components = "exact=1" },
        Optimiser = new OptimiserOptions { LearningRate = 0.5, WarmupSteps = 0 },
        Run = new RunOptions { Steps = 6, SaveEvery = 2, SamplesEvery = 0 },
    };

    /// <summary>Says the text itself in the even samples and only its first letter, never ending, in the odd ones.</summary>
    public static int[] EvenOnesAreRight(string text, int sample) => sample % 2 == 0
        ? [.. text.Select(c => c - 'a'), TablePolicy.End]
        : [text[0] - 'a', text[0] - 'a', text[0] - 'a', text[0] - 'a'];

    public StepReport Step(long number = 1) => Loop.TakeStep(number, keepSound: false, CancellationToken.None);

    public RunOutcome Run(Memory memory, GrpoOptions? options = null, string resume = "auto", Action<StepReport>? onStep = null, Action<MetricRow>? evaluate = null, StopSignal? stop = null) =>
        TrainingRun.Execute(Loop, new RunSettings(
            Run: (options ?? Options).Run,
            Options: options ?? Options,
            Resume: resume,
            Checkpoints: memory,
            OpenLog: memory.Open,
            Progress: memory,
            Stop: stop,
            OnStep: onStep,
            Evaluate: evaluate,
            Watch: new RunWatch((options ?? Options).StopWhen)) { World = _ranks });

    /// <summary>Two samples of each text.</summary>
    public EvaluationResult Evaluate(string[] texts, SecondEar? ear, CancellationToken cancellation = default) => new Evaluator(_models, new SampleJudge(Options.ToReward()), ear, _ranks).Evaluate(
        _models.Encode(texts, 4), new EvaluationOptions { Samples = 2, BatchSize = 2, MaxNewTokens = 4 }, cancellation: cancellation);

    public void Dispose()
    {
        Loop.Dispose();
        _models.Dispose();
    }
}
