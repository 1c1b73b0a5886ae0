namespace LlasaNative.Recognition;

/// <summary>What came of listening to some samples together.</summary>
/// <param name="Samples">One per sample, in their order.</param>
/// <param name="VocodeSeconds">Seconds spent on making sound; 0 when somebody else did.</param>
/// <param name="RecogniseSeconds">Seconds spent on recognition; 0 when somebody else did.</param>
/// <param name="ProsodySeconds">Seconds spent on measuring prosody; 0 when somebody else did, or nobody.</param>
public sealed record RecognisedChunk(IReadOnlyList<RecognisedSample> Samples, double VocodeSeconds, double RecogniseSeconds, double ProsodySeconds)
{
    /// <summary>What came of several, one after another.</summary>
    /// <param name="chunks">In their order.</param>
    internal static RecognisedChunk Join(IEnumerable<RecognisedChunk> chunks)
    {
        RecognisedChunk[] all = [.. chunks];
        return new RecognisedChunk(
            [.. all.SelectMany(c => c.Samples)], all.Sum(c => c.VocodeSeconds), all.Sum(c => c.RecogniseSeconds), all.Sum(c => c.ProsodySeconds));
    }
}
