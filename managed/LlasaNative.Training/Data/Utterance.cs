namespace LlasaNative.Data;

/// <summary>A text and the speech codes of somebody saying it.</summary>
/// <param name="Text">What is said; not empty.</param>
/// <param name="Codes">Speech codes; not empty.</param>
public sealed record Utterance(string Text, IReadOnlyList<int> Codes)
{
    /// <summary>The voice that it goes on in, as its row names it; null when it names none.</summary>
    public VoiceReference? Voice { get; init; }

    /// <summary>What it is called where it is a voice: its sound's file, or else what it says.</summary>
    public string Name { get => field ?? Text; init; }
}
