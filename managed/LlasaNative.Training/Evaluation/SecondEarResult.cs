namespace LlasaNative.Training;

/// <summary>What the second ear heard in an evaluation; numbers are NaN when it could listen to no sample.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="Heard">One per sample; null where there was no sound to listen to.</param>
public sealed record SecondEarResult(string Name, IReadOnlyList<SecondTranscript?> Heard)
{
    /// <summary>Character error rate of the whole set.</summary>
    public double Cer => Ratio(h => h.Edits, h => h.Characters);

    /// <summary>Word error rate of the whole set.</summary>
    public double Wer => Ratio(h => h.WordEdits, h => h.Words);

    /// <summary>Mean NLL of the texts, over samples where it is finite.</summary>
    public double Nll => Heard.Select(h => h?.Nll ?? double.NaN).FiniteMean();

    /// <summary>Share of samples heard without an error.</summary>
    public double Exact => (double)Heard.Count(h => h is { Edits: 0 }) / Heard.Count;

    /// <summary>Edits and reference characters of each text, its samples together.</summary>
    /// <param name="samplesPerText">Samples of a text, one after another.</param>
    public IReadOnlyList<(int Edits, int Characters)> PerText(int samplesPerText) =>
        [.. Heard.Chunk(samplesPerText).Select(c => (c.Sum(h => h?.Edits ?? 0), c.Sum(h => h?.Characters ?? 0)))];

    private double Ratio(Func<SecondTranscript, int> edits, Func<SecondTranscript, int> of)
    {
        SecondTranscript[] heard = [.. Heard.OfType<SecondTranscript>()];
        return heard.Length == 0 ? double.NaN : (double)heard.Sum(edits) / Math.Max(heard.Sum(of), 1);
    }
}
