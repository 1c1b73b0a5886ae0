using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Models;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>The files of a run that grow with it: metrics, samples, event file, sounds.</summary>
internal sealed class RunFiles : IDisposable
{
    private readonly string _directory;
    private readonly JsonLines _metrics;
    private readonly JsonLines _samples;
    private readonly TensorBoardWriter? _board;

    public RunFiles(RunOptions run, TrainerState? resumed)
    {
        _directory = run.Out;
        _metrics = new JsonLines(Path.Combine(run.Out, "metrics.jsonl"), resumed?.MetricsLength ?? 0);
        _samples = new JsonLines(Path.Combine(run.Out, "samples.jsonl"), resumed?.SamplesLength ?? 0);
        _board = run.TensorBoard ? new TensorBoardWriter(Path.Combine(run.Out, "tensorboard"), resumed?.Step ?? 0) : null;
    }

    public long MetricsLength => _metrics.Length;

    public long SamplesLength => _samples.Length;

    public void Write(StepReport report)
    {
        var step = report.Metrics.Step;
        _metrics.Append(report.Metrics);
        _board?.Write(report.Metrics);
        foreach (var sample in report.Samples)
        {
            _samples.Append(json => SampleJson.WriteStep(json, step, sample));
        }

        var sounding = report.Samples.Where(s => s.Sound is { Length: > 0 }).OrderBy(s => s.Judgement.Reward).ToList();
        if (sounding.Count > 0)
        {
            WriteSound(step, "worst", sounding[0]);
            WriteSound(step, "best", sounding[^1]);
        }
    }

    public void Dispose()
    {
        _metrics.Dispose();
        _samples.Dispose();
        _board?.Dispose();
    }

    private void WriteSound(long step, string name, SampleRecord sample)
    {
        var wave = WaveFile.Encode(sample.Sound!, SpeechScorer.SampleRate);
        var stem = Path.Combine(_directory, "samples", string.Create(CultureInfo.InvariantCulture, $"step-{step:D6}-{name}"));
        var description = string.Create(CultureInfo.InvariantCulture,
            $"text: {sample.Text}\nheard: {sample.Transcript}\nreward: {sample.Judgement.Reward:F4}\ncer: {sample.Judgement.Cer:F4}\nnll: {sample.Judgement.Nll:F4}\n");
        AtomicFile.Write(stem + ".wav", path => File.WriteAllBytes(path, wave));
        AtomicFile.WriteText(stem + ".txt", description);
        _board?.WriteAudio(step, $"samples/{name}", wave, SpeechScorer.SampleRate, sample.Sound!.Length);
        _board?.WriteText(step, $"samples/{name}/text", description.Replace("\n", "  \n", StringComparison.Ordinal));
    }
}
