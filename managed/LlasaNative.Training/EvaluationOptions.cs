namespace LlasaNative.Training;

/// <summary>How held-out texts are spoken and judged.</summary>
public sealed record EvaluationOptions
{
    /// <summary>Samples per text.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>Softmax temperature; 0 = greedy.</summary>
    public double Temperature { get; init; } = 0.8;

    /// <summary>Draw from the k most probable tokens only; 0 = all.</summary>
    public int TopK { get; init; }

    /// <summary>Draw from the smallest set of tokens with this much probability; 1 = all.</summary>
    public double TopP { get; init; } = 0.9;

    /// <summary>Longest response in tokens.</summary>
    public int MaxNewTokens { get; init; } = 160;

    /// <summary>Texts spoken at once; no result depends on it.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Measure pitch, pauses and speed of every sample.</summary>
    public bool Prosody { get; init; }

    /// <summary>Seed: sample j of text i is the same whatever else is evaluated.</summary>
    public long Seed { get; init; } = 1;
}
