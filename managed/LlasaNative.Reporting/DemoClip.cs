using LlasaNative.Audio;
using LlasaNative.Recognition;

namespace LlasaNative.Reporting;

/// <summary>A sample to listen to.</summary>
/// <param name="Transcript">What the recogniser heard.</param>
/// <param name="Cer">Its character error rate.</param>
/// <param name="Wave">A complete WAV file.</param>
/// <param name="Second">What the second ear heard; null when there is none.</param>
public sealed record DemoClip(string Transcript, double Cer, byte[] Wave, SecondTranscript? Second = null)
{
    /// <summary>The clip of a sample.</summary>
    /// <param name="sample">The sample with its sound.</param>
    /// <param name="encode">Makes WAV files.</param>
    public static DemoClip Of(SampleRecord sample, WaveEncoder encode)
    {
        ArgumentNullException.ThrowIfNull(sample);
        return new DemoClip(sample.Transcript, sample.Judgement.Cer, SoundFiles.Encode(sample, encode), sample.Second);
    }
}
