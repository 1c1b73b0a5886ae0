namespace LlasaNative.Recognition.Wire;

/// <summary>A text that cannot be scored.</summary>
/// <param name="Index">Its place among the texts.</param>
/// <param name="Detail">Why.</param>
public sealed record TextFault(int Index, string Detail);
