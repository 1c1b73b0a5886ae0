namespace LlasaNative.Data;

/// <summary>A text and two ways of saying it, of which one is preferred.</summary>
/// <param name="Text">What is said; not empty.</param>
/// <param name="Chosen">Speech codes of the preferred one; not empty.</param>
/// <param name="Rejected">Speech codes of the other; not empty.</param>
public sealed record PreferencePair(string Text, IReadOnlyList<int> Chosen, IReadOnlyList<int> Rejected)
{
    /// <summary>The voice that both go on in, as their row names it; null when it names none.</summary>
    public VoiceReference? Voice { get; init; }
}
