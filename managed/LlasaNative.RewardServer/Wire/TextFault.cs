namespace LlasaNative.Recognition.Wire;

/// <summary>A text that cannot be scored.</summary>
public sealed record TextFault
{
    /// <summary>Its place among the texts.</summary>
    public required int Index { get; init; }

    /// <summary>Why.</summary>
    public required string Detail { get; init; }
}
