namespace LlasaNative.Training;

/// <summary>Judged samples of held-out texts: sample j of text i has index i * n + j.</summary>
/// <param name="Samples">All samples.</param>
/// <param name="SamplesPerText">n.</param>
/// <param name="AudioSeconds">Seconds of sound made.</param>
/// <param name="Seconds">Seconds it took.</param>
public sealed record EvaluationResult(IReadOnlyList<SampleRecord> Samples, int SamplesPerText, double AudioSeconds, double Seconds)
{
    /// <summary>What the second ear heard; null when there was none.</summary>
    public SecondEarResult? Second { get; init; }

    /// <summary>Of every so many samples of a text the one with the best reward, of equal ones that with the lowest NLL, then the first.</summary>
    /// <param name="count">A divisor of the samples of each text.</param>
    public EvaluationResult BestOf(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(SamplesPerText % count, 0);
        SampleRecord[] best = [.. Samples.Chunk(count).Select(Best)];
        return this with { Samples = best, SamplesPerText = SamplesPerText / count, Second = Second is null ? null : new SecondEarResult(Second.Name, [.. best.Select(s => s.Second)]) };
    }

    /// <summary>The sample with the best reward, of equal ones that with the lowest NLL, then the first.</summary>
    /// <param name="samples">At least one.</param>
    public static SampleRecord Best(IEnumerable<SampleRecord> samples) =>
        samples.OrderByDescending(s => s.Judgement.Reward).ThenBy(s => double.IsNaN(s.Judgement.Nll) ? double.PositiveInfinity : s.Judgement.Nll).First();

    /// <summary>Character error rate of the whole set: all edits over all reference characters.</summary>
    public double Cer => NotScored == Samples.Count ? double.NaN : (double)Samples.Sum(s => s.Judgement.Edits) / Math.Max(Samples.Sum(s => s.Judgement.Characters), 1);

    /// <summary>Word error rate of the whole set.</summary>
    public double Wer => NotScored == Samples.Count ? double.NaN : (double)Samples.Sum(s => s.Judgement.WordEdits) / Math.Max(Samples.Sum(s => s.Judgement.Words), 1);

    /// <summary>Mean NLL of the texts, over samples where it is finite.</summary>
    public double Nll => Samples.Select(s => s.Judgement.Nll).FiniteMean();

    /// <summary>Mean reward, over the samples that could be listened to.</summary>
    public double Reward => Samples.Where(s => s.Judgement.Scored).Select(s => s.Judgement.Reward).DefaultIfEmpty(double.NaN).Average();

    /// <summary>Share of samples heard without an error.</summary>
    public double Exact => Samples.Count(s => s.Judgement is { Scored: true, Edits: 0 }) / (double)Samples.Count;

    /// <summary>Samples that nobody could listen to; no other number takes them in.</summary>
    public int NotScored => Samples.Count(s => !s.Judgement.Scored);

    /// <summary>Samples that hit the length cap.</summary>
    public int NotEnded => Samples.Count(s => !s.Ended);

    /// <summary>Samples longer than the recogniser's window, which alone their NLL is of.</summary>
    public int BeyondWindow => Samples.Count(s => s.Judgement.BeyondWindow);

    /// <summary>Samples whose transcript was ended before the recogniser ended it.</summary>
    public int EndedEarly => Samples.Count(s => s.Judgement.EndedEarly);

    /// <summary>Samples that the reward's guard refused, by reason.</summary>
    public IReadOnlyDictionary<string, int> Guarded => Samples.Where(s => s.Judgement.Guard.Length > 0)
        .GroupBy(s => s.Judgement.Guard).OrderBy(g => g.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count());

    /// <summary>Mean of each component of the reward over the samples that it judged; none where there is one component alone, which is the reward.</summary>
    public IReadOnlyList<(string Name, double Mean)> Parts
    {
        get
        {
            var parts = Samples.SelectMany(s => s.Judgement.Breakdown.Parts).ToLookup(p => p.Name);
            return parts.Count < 2 ? [] : [.. parts.Select(p => (p.Key, p.Average(part => part.Value)))];
        }
    }

    /// <summary>Edits and reference characters of each text, its samples together.</summary>
    public IReadOnlyList<(int Edits, int Characters)> PerText() =>
        [.. Samples.Chunk(SamplesPerText).Select(c => (c.Sum(s => s.Judgement.Edits), c.Sum(s => s.Judgement.Characters)))];
}
