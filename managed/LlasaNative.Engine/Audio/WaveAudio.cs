namespace LlasaNative.Audio;

/// <summary>One channel of sound.</summary>
/// <param name="Samples">Amplitudes, full scale is ±1.</param>
/// <param name="SampleRate">Samples per second.</param>
/// <remarks><b>Threads:</b> immutable as long as nobody writes to the array.</remarks>
public sealed record WaveAudio(ReadOnlyMemory<float> Samples, int SampleRate)
{
    /// <summary>Length in seconds.</summary>
    public double Seconds => (double)Samples.Length / SampleRate;
}
