namespace LlasaNative.Audio;

/// <summary>Makes a WAV file of a sound.</summary>
/// <param name="samples">Mono samples, full scale is ±1; may be empty.</param>
/// <param name="sampleRate">Samples per second.</param>
public delegate byte[] WaveEncoder(ReadOnlySpan<float> samples, int sampleRate);
