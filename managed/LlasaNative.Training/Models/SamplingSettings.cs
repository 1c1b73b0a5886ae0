namespace LlasaNative.Models;

/// <summary>How speech tokens are drawn.</summary>
public sealed record SamplingSettings
{
    /// <summary>Softmax temperature; 0 = always the most probable token.</summary>
    public double Temperature { get; init; } = 0.8;

    /// <summary>Draw from the k most probable tokens only; 0 = all.</summary>
    public int TopK { get; init; }

    /// <summary>Draw from the smallest set of tokens with this much probability; 1 = all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Longest response in tokens, the end token included.</summary>
    public int MaxNewTokens { get; init; } = 160;

    /// <summary>Whether only speech tokens and the end token can be drawn.</summary>
    public bool SpeechOnly { get; init; } = true;

    /// <summary>Key of the random numbers.</summary>
    public ulong Seed { get; init; }
}
