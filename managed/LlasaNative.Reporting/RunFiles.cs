using LlasaNative.Audio;
using LlasaNative.Recognition;

namespace LlasaNative.Reporting;

/// <summary>The files of a run that grow with it: metrics, samples, event file, sounds.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it.</remarks>
public sealed class RunFiles : IRunLog
{
    /// <summary>Where the sounds of a run are, below its directory.</summary>
    public const string SoundsFolder = "samples";

    private const int SoundsKept = 6;   // of a step
    private readonly string _directory;
    private readonly JsonLines _metrics;
    private readonly JsonLines _samples;
    private readonly TensorBoardWriter _board;
    private readonly WaveEncoder _encode;

    /// <summary>Opens them; what a resumed run had not counted on is cut off.</summary>
    /// <param name="run">What is written where.</param>
    /// <param name="resumed">Where the run stands; null when it begins.</param>
    /// <param name="encode">Makes WAV files.</param>
    /// <exception cref="LlasaException">A file cannot be opened.</exception>
    public RunFiles(RunOptions run, RunState? resumed, WaveEncoder encode)
    {
        ArgumentNullException.ThrowIfNull(run);
        AtomicFile.RemoveLeftovers(run.Out);
        AtomicFile.RemoveLeftovers(Path.Combine(run.Out, SoundsFolder));
        (_directory, _encode) = (run.Out, encode);
        _metrics = new JsonLines(Path.Combine(run.Out, "metrics.jsonl"), resumed?.Log.MetricsBytes ?? 0);
        try
        {
            _samples = new JsonLines(Path.Combine(run.Out, "samples.jsonl"), resumed?.Log.SamplesBytes ?? 0);
            _board = new TensorBoardWriter(Path.Combine(run.Out, "tensorboard"), (resumed?.Step ?? 0) + 1);
        }
        catch
        {
            _metrics.Dispose();
            _samples?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public RunLogLength Length => new(_metrics.Length, _samples.Length);

    /// <inheritdoc/>
    public IReadOnlyList<MetricRow> Rows
    {
        get
        {
            List<MetricRow> rows = [];
            foreach (var line in _metrics.ReadLines())
            {
                var values = JsonElement.Parse(line);
                MetricRow row = new(values.GetProperty("step").GetInt64());
                foreach (var value in values.EnumerateObject().Where(v => v.Name != "step"))
                {
                    row.Add(value.Name, value.Value.ValueKind == JsonValueKind.Number ? value.Value.GetDouble() : double.NaN);
                }

                rows.Add(row);
            }

            return rows;
        }
    }

    /// <inheritdoc/>
    public void Write(StepReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var step = report.Metrics.Step;
        _metrics.Append(report.Metrics);
        _board.Write(report.Metrics);
        var kept = Kept(report.Samples);
        foreach (var (sample, name) in kept)
        {
            WriteSound(step, name, sample);   // before the line that names it
        }

        foreach (var sample in report.Samples)
        {
            var sound = kept.TryGetValue(sample, out var name) ? $"{SoundsFolder}/{Stem(step, name)}.wav" : null;
            _samples.Append(SampleJson.Of(sample, step, sound));
        }
    }

    /// <inheritdoc/>
    public void FlushToDisk()
    {
        _metrics.FlushToDisk();
        _samples.FlushToDisk();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _metrics.Dispose();
        _samples.Dispose();
        _board.Dispose();
    }

    private static string Stem(long step, string name) => string.Create(CultureInfo.InvariantCulture, $"step-{step:D6}-{name}");

    /// <summary>The samples whose sound is kept, and the names of their files.</summary>
    private static Dictionary<SampleRecord, string> Kept(IReadOnlyList<SampleRecord> samples)
    {
        Dictionary<SampleRecord, string> kept = new(ReferenceEqualityComparer.Instance);
        (SampleRecord Sample, int Index)[] sounding = [.. samples.Select((s, i) => (s, i)).Where(s => s.s.Sound is { Length: > 0 }).OrderBy(s => s.s.Judgement.Reward)];
        var count = Math.Min(SoundsKept, sounding.Length);
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
        SoundFiles.Write(Path.Combine(_directory, SoundsFolder, Stem(step, name)), sample, _encode);
        if (name is not ("best" or "worst"))
        {
            return;   // TensorBoard has a tag for each
        }

        _board.WriteAudio(step, $"samples/{name}", SoundFiles.Encode(sample, _encode), RecognisedSample.SampleRate, sample.Sound!.Length);
        _board.WriteText(step, $"samples/{name}/text", SoundFiles.Describe(sample).Replace("\n", "  \n", StringComparison.Ordinal));
    }
}
