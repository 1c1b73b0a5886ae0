namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>What the speech server counts, in the text format that Prometheus reads.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
internal sealed class SpeechMetrics() : HttpMetrics("What speaks.", "texts")
{
    private readonly Histogram _together = new(Histogram.Counts);
    private readonly Histogram _firstSound = new(Histogram.Seconds);
    private long _spoken;
    private long _refused;
    private long _cutOff;
    private long _codes;

    /// <summary>A text has joined; so many are spoken together now.</summary>
    public void Joined(int texts) => _together.Add(texts);

    /// <summary>A streamed request's first sound has left.</summary>
    public void FirstSound(double seconds) => _firstSound.Add(seconds);

    /// <summary>A text was spoken.</summary>
    public void Spoken(int codes, bool ended)
    {
        Interlocked.Increment(ref _spoken);
        Interlocked.Add(ref _codes, codes);
        Interlocked.Add(ref _cutOff, ended ? 0 : 1);
    }

    /// <summary>A text found the queue full.</summary>
    public void Refused() => Interlocked.Increment(ref _refused);

    protected override void WriteOwn(PrometheusText text)
    {
        text.Histograms("llasa_batch_texts", "Texts that are spoken together, each time one joins.", [("", _together)]);
        text.Histograms("llasa_first_sound_seconds", "From the body of a streamed request to its first sound.", [("", _firstSound)]);
        text.Number("llasa_texts_spoken_total", "counter", "Texts spoken.", Interlocked.Read(ref _spoken));
        text.Number("llasa_texts_refused_total", "counter", "Texts refused because the queue was full.", Interlocked.Read(ref _refused));
        text.Number("llasa_texts_cut_off_total", "counter", "Texts whose speech reached its limit before its end.", Interlocked.Read(ref _cutOff));
        text.Number("llasa_codes_total", "counter", "Speech codes drawn.", Interlocked.Read(ref _codes));
    }
}
