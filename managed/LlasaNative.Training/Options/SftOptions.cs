namespace LlasaNative.Training;

/// <summary>Everything that decides a supervised run, one record per concern.</summary>
public sealed record SftOptions
{
    [Option("The models: Hugging Face directories. Empty: the tiny models that come with the program.")]
    public ModelOptions Models { get; init; } = new();

    [Option("How the policy is asked to speak.")]
    public PromptOptions Prompt { get; init; } = new();

    [Option("Utterances: .jsonl or .parquet with a text and `codes`.")]
    public DataOptions Data { get; init; } = new();

    [Option("The loss.")]
    public SftLossOptions Sft { get; init; } = new();

    [Option("AdamW and its learning rate.")]
    public OptimiserOptions Optimiser { get; init; } = new() { LearningRate = 1e-3 };

    [Option("What trains the policy.")]
    public TrainerOptions Trainer { get; init; } = new();

    [Option("How long, and what is written where.")]
    public RunOptions Run { get; init; } = new() { Out = "runs/sft", EvaluateEvery = 50 };
}
