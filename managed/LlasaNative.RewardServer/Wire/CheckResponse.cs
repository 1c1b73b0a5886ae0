namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>POST /check</c>.</summary>
/// <param name="Faults">The texts that cannot be scored; empty when all can.</param>
public sealed record CheckResponse(TextFault[] Faults);
