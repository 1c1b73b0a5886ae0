using LlasaNative.Data;
using LlasaNative.Reporting.Rating;

namespace LlasaNative.Reporting.Publishing;

/// <summary>Runs measured on the same texts: every measure with its interval, and its difference from the first run's.</summary>
public sealed class RunReport
{
    private static readonly (string Key, string Title, string Unit, Func<EvaluatedSample, TextRatio> Of)[] Measures =
    [
        ("cer", "character error rate", "", s => s.Errors(words: false)),
        ("wer", "word error rate", "", s => s.Errors(words: true)),
        ("exact", "heard without an error", "", s => new TextRatio(s.Errors(words: false).Numerator == 0 ? 1 : 0, 1)),
        ("second_cer", "character error rate, second ear", "", s => Mean(s, "second_cer")),
        ("nll", "NLL of the text", "nats", s => Mean(s, "nll")),
        ("second_nll", "NLL of the text, second ear", "nats", s => Mean(s, "second_nll")),
        ("reward", "reward", "", s => Mean(s, "reward")),
        ("f0_semitones", "spread of pitch", "semitones", s => Mean(s, "f0_semitones")),
        ("rate", "pace", "characters/s", s => Mean(s, "rate")),
        ("pause_share", "share of pauses", "", s => Mean(s, "pause_share")),
        ("seconds", "duration", "s", s => Mean(s, "seconds")),
        ("not_ended", "cut off at the length cap", "", s => new TextRatio(s.Ended ? 0 : 1, 1)),
    ];

    private RunReport(IReadOnlyList<ReportedRun> runs, string command) => (Runs, Command) = (runs, command);

    /// <summary>The command that makes this report.</summary>
    public string Command { get; }

    internal IReadOnlyList<ReportedRun> Runs { get; }

    /// <summary>What people said of pairs, by the directories that hold it.</summary>
    public IReadOnlyList<(string Directory, RatingSummary Said)> Ratings { get; private init; } = [];

    /// <summary>Titles, units and estimates: of each measure one estimate for each run, the difference being from the first.</summary>
    internal IReadOnlyList<(string Key, string Title, string Unit, IReadOnlyList<PairedEstimate> Estimates)> Rows { get; private init; } = [];

    /// <summary>Reads runs and measures them.</summary>
    /// <param name="paths">Directories of runs or of evaluations, the first being what the others are compared with.</param>
    /// <param name="names">What they are called; null = their directories' names.</param>
    /// <param name="command">The command that makes this report, for the page.</param>
    /// <param name="key">Of the resamples.</param>
    /// <param name="resamples">Number of resamples.</param>
    /// <param name="ratings">What people said of pairs, by the directories that hold it; null = nothing.</param>
    /// <exception cref="LlasaException">A directory cannot be read, or the evaluations are not of the same texts.</exception>
    public static RunReport Make(IReadOnlyList<string> paths, IReadOnlyList<string>? names, string command, ulong key, int resamples = 10_000, IReadOnlyList<(string Directory, RatingSummary Said)>? ratings = null)
    {
        ArgumentNullException.ThrowIfNull(paths);
        ReportedRun[] runs = [.. paths.Select((path, i) => ReportedRun.Read(path, names?[i]))];
        ReportedRun[] evaluated = [.. runs.Where(r => r.Samples.Count > 0)];
        if (evaluated.FirstOrDefault(r => !TextsOf(r).SequenceEqual(TextsOf(evaluated[0]))) is { } other)
        {
            throw new UsageException($"{other.Path}: its evaluation is not of the texts of {evaluated[0].Path}");
        }

        if (evaluated.Length < runs.Length && evaluated.Length > 0)
        {
            throw new UsageException($"{runs.First(r => r.Samples.Count == 0).Path}: holds no evaluation, but others do: `llasa eval --policy RUN/policy --out RUN/{ReportedRun.EvaluationFolder}` makes one");
        }

        // Models that judge sounds (UTMOS, likeness) are components of the reward, be their weight 0.
        (string Key, string Title, string Unit, Func<EvaluatedSample, TextRatio> Of)[] measures =
            [.. Measures, .. evaluated.SelectMany(r => r.Samples.SelectMany(s => s.Parts)).Distinct().Select(part => ("part_" + part, part, "", (Func<EvaluatedSample, TextRatio>)(s => Mean(s.Part(part)))))];
        PairedTexts[] texts = evaluated.Length == 0 ? [] : [.. evaluated.SelectMany(run => measures.Select(m => new PairedTexts(PerText(evaluated[0], m.Of), PerText(run, m.Of))))];
        var estimates = texts.Length == 0 ? [] : PairedBootstrap.Estimate(texts, key, resamples);
        return new RunReport(runs, command)
        {
            Ratings = ratings ?? [],
            Rows = [.. measures.Select((m, i) => (m.Key, m.Title, m.Unit, (IReadOnlyList<PairedEstimate>)[.. evaluated.Select((_, r) => estimates[(r * measures.Length) + i])]))
                .Where(row => row.Item4.Any(e => double.IsFinite(e.After.Value)))],
        };
    }

    /// <summary>Mean over texts of how far a text's samples lie apart: their standard deviation; NaN with one sample of each.</summary>
    internal static double Spread(ReportedRun run, string measure) => run.Samples.Chunk(run.SamplesPerText).Select(group =>
    {
        double[] values = [.. group.Select(s => s.Number(measure)).Where(double.IsFinite)];
        return values.Length < 2 ? double.NaN : values.Deviation();
    }).FiniteMean();

    /// <summary>
    /// Mean over texts of how many different samples a text has beyond its first, of those it has beyond its first: 0 where a policy says
    /// everything one way, 1 where no sample is like another; NaN with one sample of each. Alike are those of the same length, spread of pitch and transcript.
    /// </summary>
    internal static double Different(ReportedRun run) => run.SamplesPerText < 2 || run.Samples.Count == 0 ? double.NaN
        : run.Samples.Chunk(run.SamplesPerText).Average(group => (group.Select(s => (s.Number("codes"), s.Number("f0_semitones"), s.Transcript)).Distinct().Count() - 1.0) / (group.Length - 1));

    private static TextRatio Mean(EvaluatedSample sample, string name) => Mean(sample.Number(name));

    private static TextRatio Mean(double value) => double.IsFinite(value) ? new TextRatio(value, 1) : default;

    private static IEnumerable<string> TextsOf(ReportedRun run) => run.Samples.Where((_, i) => i % run.SamplesPerText == 0).Select(s => s.Text);

    private static TextRatio[] PerText(ReportedRun run, Func<EvaluatedSample, TextRatio> measure) =>
        [.. run.Samples.Select(s => s.IsScored ? measure(s) : default).Chunk(run.SamplesPerText).Select(group => new TextRatio(group.Sum(r => r.Numerator), group.Sum(r => r.Denominator)))];
}
