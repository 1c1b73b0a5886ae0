namespace LlasaNative.Data;

/// <summary>A text and the speech codes of somebody saying it.</summary>
/// <param name="Text">What is said; not empty.</param>
/// <param name="Codes">Speech codes; not empty.</param>
public sealed record Utterance(string Text, IReadOnlyList<int> Codes);
