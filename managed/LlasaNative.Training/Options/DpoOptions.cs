namespace LlasaNative.Training;

/// <summary>Everything that decides a run on preferences, one record per concern.</summary>
public sealed record DpoOptions : ICheckedOptions
{
    [Option("The models: Hugging Face directories. Empty: the tiny models that come with the program.")]
    public ModelOptions Models { get; init; } = new();

    [Option("How the policy is asked to speak.")]
    public PromptOptions Prompt { get; init; } = new();

    [Option("Preferences: .jsonl or .parquet with a text, `chosen` and `rejected`, lists of codes.")]
    public DataOptions Data { get; init; } = new();

    [Option("The loss.")]
    public PreferenceLossOptions Dpo { get; init; } = new();

    [Option("A low-rank adapter that is trained in place of all weights.")]
    public LoraOptions Lora { get; init; } = new();

    [Option("AdamW and its learning rate.")]
    public OptimiserOptions Optimiser { get; init; } = new() { LearningRate = 1e-5 };

    [Option("What trains the policy.")]
    public TrainerOptions Trainer { get; init; } = new();

    [Option("How long, and what is written where.")]
    public RunOptions Run { get; init; } = new() { Out = "runs/dpo" };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Run.EvaluateEvery > 0 && Data.Evaluation.Length == 0)
        {
            yield return $"`run.evaluate_every` {Run.EvaluateEvery}: `data.evaluation` names no preferences that are held out";
        }
    }
}
