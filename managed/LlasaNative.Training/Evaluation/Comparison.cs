namespace LlasaNative.Training;

/// <summary>Two systems on the same texts and seeds: what is understood, and how it is said.</summary>
public static class Comparison
{
    private sealed record Measure(string Key, string Title, string Unit, Func<SampleRecord, TextRatio> Of)
    {
        public bool OfSecondEar => Key.StartsWith("second_", StringComparison.Ordinal);
    }

    private static readonly Measure[] Measures =
    [
        new("cer", "character error rate", "", s => new(s.Judgement.Edits, s.Judgement.Characters)),
        new("second_cer", "character error rate, second ear", "", s => s.Second is { } h ? new(h.Edits, h.Characters) : default),
        new("wer", "word error rate", "", s => new(s.Judgement.WordEdits, s.Judgement.Words)),
        new("second_wer", "word error rate, second ear", "", s => s.Second is { } h ? new(h.WordEdits, h.Words) : default),
        new("exact", "heard without an error", "", s => One(s.Judgement.Edits == 0 ? 1 : 0)),
        new("second_exact", "heard without an error, second ear", "", s => s.Second is { } h ? One(h.Edits == 0 ? 1 : 0) : default),
        new("nll", "NLL of the text", "nats", s => One(s.Judgement.Nll)),
        new("second_nll", "NLL of the text, second ear", "nats", s => One(s.Second?.Nll ?? double.NaN)),
        new("reward", "reward", "", s => One(s.Judgement.Reward)),
        new("seconds", "duration", "s", s => One(s.Prosody!.Activity.Seconds)),
        new("rate", "speaking rate", "char/s", s => One(s.Prosody!.Rate(s.Judgement.Characters))),
        new("pauses", "pauses per sample", "", s => One(s.Prosody!.Activity.Pauses)),
        new("pause_share", "share of pauses", "", s => new(s.Prosody!.Activity.PauseSeconds, s.Prosody.Activity.Spoken)),
        new("longest_pause", "longest pause", "s", s => One(s.Prosody!.Activity.LongestPause)),
        new("f0_mean", "F0 mean", "Hz", s => One(s.Prosody!.F0Mean)),
        new("f0_std", "F0 standard deviation", "Hz", s => One(s.Prosody!.F0Deviation)),
        new("f0_semitones", "F0 standard deviation", "semitones", s => One(s.Prosody!.F0Semitones)),
        new("voiced_share", "share of voiced frames", "", s => One(s.Prosody!.VoicedShare)),
        new("not_ended", "cut off at the length cap", "", s => One(s.Ended ? 0 : 1)),
    ];

    /// <summary>Compares two evaluations.</summary>
    /// <param name="before">First system, prosody measured.</param>
    /// <param name="after">Second system, same texts, same number of samples of each.</param>
    /// <param name="key">Of the resamples.</param>
    /// <param name="resamples">Number of resamples.</param>
    /// <exception cref="ArgumentException">The evaluations are not of the same texts, or prosody was not measured.</exception>
    public static IReadOnlyList<ComparedMeasure> Compare(EvaluationResult before, EvaluationResult after, ulong key, int resamples = 10_000)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        if (before.SamplesPerText != after.SamplesPerText || !before.Samples.Select(s => s.Text).SequenceEqual(after.Samples.Select(s => s.Text)))
        {
            throw new ArgumentException("the two evaluations are not of the same texts", nameof(after));
        }

        if (before.Samples.Concat(after.Samples).Any(s => s.Judgement.Scored && s.Prosody is null))
        {
            throw new ArgumentException("prosody was not measured", nameof(after));
        }

        Measure[] measures =
        [
            .. Measures.Where(m => !m.OfSecondEar || (before.Second is not null && after.Second is not null)),
            .. before.Parts.Select(p => p.Name).Intersect(after.Parts.Select(p => p.Name)).Select(Part),
        ];
        PairedTexts[] texts = [.. measures.Select(m => new PairedTexts(PerText(before, m), PerText(after, m)))];
        var estimates = PairedBootstrap.Estimate(texts, key, resamples);
        return [.. measures.Select((m, i) => new ComparedMeasure(m.Key, m.Title, m.Unit, estimates[i], (Count(before, m), Count(after, m))))];
    }

    private static Measure Part(string name) => new($"part_{name}", $"reward's part {name}", "", s => One(
        s.Judgement.Breakdown.Parts.Where(p => p.Name == name).Select(p => p.Value).DefaultIfEmpty(double.NaN).First()));

    private static TextRatio One(double value) => double.IsFinite(value) ? new TextRatio(value, 1) : default;

    private static TextRatio Of(SampleRecord sample, Measure measure) => sample.Judgement.Scored ? measure.Of(sample) : default;

    private static TextRatio[] PerText(EvaluationResult result, Measure measure) =>
        [.. result.Samples.Select(s => Of(s, measure)).Chunk(result.SamplesPerText).Select(c => new TextRatio(c.Sum(r => r.Numerator), c.Sum(r => r.Denominator)))];

    private static int Count(EvaluationResult result, Measure measure) => result.Samples.Count(s => Of(s, measure).Denominator > 0);
}
