namespace LlasaNative.Training;

/// <summary>What supervised training minimises.</summary>
public sealed record SftLossOptions
{
    /// <summary>Utterances per step.</summary>
    public int BatchSize { get; init; } = 24;

    /// <summary>Restrict head and softmax to speech tokens and the end token.</summary>
    public bool SpeechOnly { get; init; } = true;
}
