using LlasaNative.Text;

namespace LlasaNative.Training;

/// <summary>Everything that decides a supervised run, one record per concern.</summary>
public sealed record SftOptions
{
    /// <summary>Every key of a configuration file.</summary>
    public static OptionTable<SftOptions> Table { get; } = new OptionTable<SftOptions>(_ => [])
        .Section("models", "The models: Hugging Face directories. Empty: the tiny models that come with the program.", o => o.Models, (o, s) => o with { Models = s }, SharedSections.Models)
        .Section("prompt", "How the policy is asked to speak.", o => o.Prompt, (o, s) => o with { Prompt = s }, SharedSections.Prompt)
        .Section("data", "Utterances: .jsonl or .parquet with a text and `codes`.", o => o.Data, (o, s) => o with { Data = s }, SharedSections.Data)
        .Section("sft", "The loss.", o => o.Sft, (o, s) => o with { Sft = s }, section =>
        {
            section.Whole("batch_size", "Utterances per step.", 1, 1_000_000, s => s.BatchSize, (s, v) => s with { BatchSize = (int)v });
            section.Flag("speech_only", "Restrict head and softmax to speech tokens and the end token.", s => s.SpeechOnly, (s, v) => s with { SpeechOnly = v });
        })
        .Section("optimiser", "AdamW and its learning rate.", o => o.Optimiser, (o, s) => o with { Optimiser = s }, SharedSections.Optimiser)
        .Section("run", "How long, and what is written where.", o => o.Run, (o, s) => o with { Run = s }, SharedSections.Run);

    /// <summary>Which models take part: only the policy matters.</summary>
    public ModelOptions Models { get; init; } = new();

    /// <summary>How the policy is asked to speak.</summary>
    public PromptOptions Prompt { get; init; } = new();

    /// <summary>Which utterances are learned.</summary>
    public DataOptions Data { get; init; } = new();

    /// <summary>The loss.</summary>
    public SftLossOptions Sft { get; init; } = new();

    /// <summary>AdamW and its learning rate.</summary>
    public OptimiserOptions Optimiser { get; init; } = new() { LearningRate = 1e-3 };

    /// <summary>How long, and what is written where.</summary>
    public RunOptions Run { get; init; } = new() { Out = "runs/sft" };
}
