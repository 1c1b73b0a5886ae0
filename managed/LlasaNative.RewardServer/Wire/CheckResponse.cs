namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>POST /check</c>.</summary>
public sealed record CheckResponse
{
    /// <summary>The texts that cannot be scored; empty when all can.</summary>
    public required TextFault[] Faults { get; init; }
}
