using LlasaNative.Audio;
using LlasaNative.Recognition;

namespace LlasaNative.Reporting;

/// <summary>The sound of a sample as a WAV file, with a text file beside it that says what it should say, was heard as and got.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class SoundFiles
{
    /// <summary>The sample's sound as a WAV file; one without sound gives a file without samples.</summary>
    /// <param name="sample">The sample.</param>
    /// <param name="encode">Makes WAV files.</param>
    public static byte[] Encode(SampleRecord sample, WaveEncoder encode)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(encode);
        return encode(sample.Sound ?? [], RecognisedSample.SampleRate);
    }

    /// <summary>What there is to say of it, a line each.</summary>
    /// <param name="sample">The sample.</param>
    public static string Describe(SampleRecord sample)
    {
        ArgumentNullException.ThrowIfNull(sample);
        var second = sample.Second is { } heard
            ? string.Create(CultureInfo.InvariantCulture, $"second ear heard: {heard.Transcript}\nsecond ear cer: {heard.Cer:F4}\nsecond ear nll: {heard.Nll:F4}\n")
            : "";
        return string.Create(CultureInfo.InvariantCulture,
            $"text: {sample.Text}\nheard: {sample.Transcript}\nreward: {sample.Judgement.Reward:F4}\ncer: {sample.Judgement.Cer:F4}\nnll: {sample.Judgement.Nll:F4}\n{second}");
    }

    /// <summary>Writes both files.</summary>
    /// <param name="stem">Their path without extension.</param>
    /// <param name="sample">The sample.</param>
    /// <param name="encode">Makes WAV files.</param>
    public static void Write(string stem, SampleRecord sample, WaveEncoder encode)
    {
        var wave = Encode(sample, encode);
        AtomicFile.WriteBytes(stem + ".wav", wave);
        AtomicFile.WriteText(stem + ".txt", Describe(sample));
    }
}
