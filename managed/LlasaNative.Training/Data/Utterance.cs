namespace LlasaNative.Data;

/// <summary>A text and the speech codes of somebody saying it.</summary>
/// <param name="Text">What is said; not empty.</param>
/// <param name="Codes">Speech codes; not empty.</param>
public sealed record Utterance(string Text, IReadOnlyList<int> Codes)
{
    /// <summary>The voice that it goes on in, as its row names it; null when it names none.</summary>
    public VoiceReference? Voice { get; init; }
}
