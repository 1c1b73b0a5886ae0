namespace LlasaNative.Data;

/// <summary>Gives each text one of some voices, by chance.</summary>
/// <remarks>Which one is a pure function of (seed, place of the text in the walk through the data). <b>Threads:</b> immutable.</remarks>
/// <param name="voices">The voices; may be empty.</param>
/// <param name="seed">Decides which.</param>
public sealed class VoiceDraw(IReadOnlyList<Utterance> voices, ulong seed)
{
    /// <summary>The voice for a text; null when there are none.</summary>
    /// <param name="place">Place of the text, at least 0.</param>
    public Utterance? At(long place) => voices.Count == 0 ? null : voices[Philox.Below(seed, 0, (ulong)place, voices.Count)];
}
