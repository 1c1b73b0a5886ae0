using System.Globalization;
using LlasaNative.Models;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>The files of a run that grow with it: metrics, samples, event file, sounds.</summary>
internal sealed class RunFiles : IDisposable
{
    /// <summary>Where the sounds of a run are, below its directory.</summary>
    public const string SoundsFolder = "samples";

    private readonly string _directory;
    private readonly JsonLines _metrics;
    private readonly JsonLines _samples;
    private readonly TensorBoardWriter? _board;
    private readonly int _soundsKept;

    public RunFiles(RunOptions run, TrainerState? resumed)
    {
        _directory = run.Out;
        _soundsKept = run.SoundsKept;
        _metrics = new JsonLines(Path.Combine(run.Out, "metrics.jsonl"), resumed?.MetricsLength ?? 0);
        _samples = new JsonLines(Path.Combine(run.Out, "samples.jsonl"), resumed?.SamplesLength ?? 0);
        _board = run.TensorBoard ? new TensorBoardWriter(Path.Combine(run.Out, "tensorboard"), (resumed?.Step ?? 0) + 1) : null;
    }

    public long MetricsLength => _metrics.Length;

    public long SamplesLength => _samples.Length;

    public void Write(StepReport report)
    {
        var step = report.Metrics.Step;
        _metrics.Append(report.Metrics);
        _board?.Write(report.Metrics);
        var kept = Kept(report.Samples);
        foreach (var (sample, name) in kept)
        {
            WriteSound(step, name, sample);   // before the line that names it
        }

        foreach (var sample in report.Samples)
        {
            var sound = kept.TryGetValue(sample, out var name) ? $"{SoundsFolder}/{Stem(step, name)}.wav" : null;
            _samples.Append(json => SampleJson.WriteStep(json, step, sample, sound));
        }
    }

    /// <summary>Waits until the files that a checkpoint counts on are on the disk.</summary>
    public void FlushToDisk()
    {
        _metrics.FlushToDisk();
        _samples.FlushToDisk();
    }

    public void Dispose()
    {
        _metrics.Dispose();
        _samples.Dispose();
        _board?.Dispose();
    }

    private static string Stem(long step, string name) => string.Create(CultureInfo.InvariantCulture, $"step-{step:D6}-{name}");

    /// <summary>The samples whose sound is kept, and the names of their files.</summary>
    private Dictionary<SampleRecord, string> Kept(IReadOnlyList<SampleRecord> samples)
    {
        Dictionary<SampleRecord, string> kept = new(ReferenceEqualityComparer.Instance);
        (SampleRecord Sample, int Index)[] sounding = [.. samples.Select((s, i) => (s, i)).Where(s => s.s.Sound is { Length: > 0 }).OrderBy(s => s.s.Judgement.Reward)];
        var count = _soundsKept == 0 ? sounding.Length : Math.Min(_soundsKept, sounding.Length);
        for (var i = 0; i < count; i++)
        {
            var rank = count == 1 ? sounding.Length - 1 : (int)((long)i * (sounding.Length - 1) / (count - 1));
            var name = rank == sounding.Length - 1 ? "best" : rank == 0 ? "worst" : string.Create(CultureInfo.InvariantCulture, $"{sounding[rank].Index:D4}");
            kept[sounding[rank].Sample] = name;
        }

        return kept;
    }

    private void WriteSound(long step, string name, SampleRecord sample)
    {
        SoundFiles.Write(Path.Combine(_directory, SoundsFolder, Stem(step, name)), sample);
        if (name is not ("best" or "worst"))
        {
            return;   // TensorBoard has a tag for each
        }

        _board?.WriteAudio(step, $"samples/{name}", SoundFiles.Encode(sample), SpeechScorer.SampleRate, sample.Sound!.Length);
        _board?.WriteText(step, $"samples/{name}/text", SoundFiles.Describe(sample).Replace("\n", "  \n", StringComparison.Ordinal));
    }
}
