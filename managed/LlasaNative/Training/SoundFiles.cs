using System.Globalization;
using LlasaNative.Audio;
using LlasaNative.Models;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>The sound of a sample as a WAV file, with a text file beside it that says what it should say, was heard as and got.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class SoundFiles
{
    /// <summary>The sample's sound as a WAV file; one without sound gives a file without samples.</summary>
    /// <param name="sample">The sample.</param>
    public static byte[] Encode(SampleRecord sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        return WaveFile.Encode(sample.Sound ?? [], SpeechScorer.SampleRate);
    }

    /// <summary>What there is to say of it, a line each.</summary>
    /// <param name="sample">The sample.</param>
    public static string Describe(SampleRecord sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        return string.Create(CultureInfo.InvariantCulture,
            $"text: {sample.Text}\nheard: {sample.Transcript}\nreward: {sample.Judgement.Reward:F4}\ncer: {sample.Judgement.Cer:F4}\nnll: {sample.Judgement.Nll:F4}\n");
    }

    /// <summary>Writes both files.</summary>
    /// <param name="stem">Their path without extension.</param>
    /// <param name="sample">The sample.</param>
    public static void Write(string stem, SampleRecord sample)
    {
        var wave = Encode(sample);
        AtomicFile.Write(stem + ".wav", path => File.WriteAllBytes(path, wave));
        AtomicFile.WriteText(stem + ".txt", Describe(sample));
    }
}
