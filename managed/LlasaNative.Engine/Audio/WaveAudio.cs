namespace LlasaNative.Audio;

/// <summary>One channel of sound.</summary>
/// <param name="Samples">Amplitudes, full scale is ±1.</param>
/// <param name="SampleRate">Samples per second.</param>
/// <remarks><b>Threads:</b> immutable as long as nobody writes to the array.</remarks>
public sealed record WaveAudio(ReadOnlyMemory<float> Samples, int SampleRate)
{
    /// <summary>Length in seconds.</summary>
    public double Seconds => (double)Samples.Length / SampleRate;

    /// <summary>A part of it; what lies beyond its end is left out.</summary>
    /// <param name="start">Where it begins, in seconds, at least 0.</param>
    /// <param name="seconds">How long it is; null = to the end.</param>
    public WaveAudio Part(double start, double? seconds)
    {
        int first = (int)Math.Min(Math.Round(start * SampleRate), Samples.Length);
        return this with { Samples = Samples.Slice(first, (int)Math.Min(Math.Round((seconds ?? Seconds) * SampleRate), Samples.Length - first)) };
    }
}
