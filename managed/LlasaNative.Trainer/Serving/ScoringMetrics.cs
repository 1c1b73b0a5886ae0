namespace LlasaNative.Trainer.Serving;

/// <summary>What the reward server counts, in the text format that Prometheus reads.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
internal sealed class ScoringMetrics() : HttpMetrics("What listens.", "samples")
{
    private readonly Histogram _batchSamples = new(Histogram.Counts);
    private readonly Histogram _batchSeconds = new(Histogram.Seconds);
    private long _scored;
    private long _refused;

    /// <summary>A batch was scored.</summary>
    public void Scored(int samples, double seconds)
    {
        Interlocked.Add(ref _scored, samples);
        _batchSamples.Add(samples);
        _batchSeconds.Add(seconds);
    }

    /// <summary>Samples found the queue full.</summary>
    public void Refused(int samples) => Interlocked.Add(ref _refused, samples);

    protected override void WriteOwn(PrometheusText text)
    {
        text.Histograms("llasa_batch_samples", "Samples scored together.", [("", _batchSamples)]);
        text.Histograms("llasa_batch_seconds", "Seconds that a batch took.", [("", _batchSeconds)]);
        text.Number("llasa_samples_scored_total", "counter", "Samples scored.", Interlocked.Read(ref _scored));
        text.Number("llasa_samples_refused_total", "counter", "Samples refused because the queue was full.", Interlocked.Read(ref _refused));
    }
}
