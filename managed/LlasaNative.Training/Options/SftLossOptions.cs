namespace LlasaNative.Training;

/// <summary>What supervised training minimises.</summary>
public sealed record SftLossOptions
{
    [Option("Utterances per step.", AtLeast = 1, AtMost = 1_000_000)]
    public int BatchSize { get; init; } = 24;

    [Option("Walks through all utterances, in place of `run.steps`; each takes every utterance once. 0: `run.steps` says how long.", AtLeast = 0, AtMost = 1_000_000)]
    public int Epochs { get; init; }

    [Option("Restrict head and softmax to speech tokens and the end token.")]
    public bool SpeechOnly { get; init; } = true;
}
