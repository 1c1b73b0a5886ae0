using LlasaNative.Audio;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Audio;

public sealed class SoundPreparationTests
{
    private static readonly float[] Tone = LoudnessTests.Tone(16000, 440, 0.3, 1);

    [Test]
    public void Apply_CutsSilenceButForATenthOfASecond()
    {
        WaveAudio audio = new((float[])[.. new float[16000], .. Tone, .. new float[8000]], 16000);
        var cut = new SoundPreparation { SampleRate = 16000, Trim = true }.Apply(audio, "a");
        // Frames of 10 ms, whose levels reach 5 ms to each side.
        Assert.That(cut.Length, Is.EqualTo(Tone.Length + 3200).Within(320));
        Assert.That(new SoundPreparation { SampleRate = 16000, Trim = true }.Apply(new WaveAudio(Tone, 16000), "a"), Has.Length.EqualTo(Tone.Length), "nothing to cut");
    }

    [Test]
    public void Apply_ResamplesAndBringsToLoudness()
    {
        var made = new SoundPreparation { SampleRate = 8000, Loudness = -30 }.Apply(new WaveAudio(Tone, 16000), "a");
        Assert.That(made, Has.Length.EqualTo(8000));
        Assert.That(Loudness.Measure(made, 8000), Is.EqualTo(-30).Within(1e-4));
    }

    [Test]
    public void Apply_RefusesWhatCannotBeEncoded()
    {
        SoundPreparation preparation = new() { SampleRate = 16000, Trim = true, MaxSeconds = 0.5 };
        Assert.That(() => preparation.Apply(new WaveAudio(Tone, 16000), "a"), Throws.TypeOf<ModelFileException>().With.Message.Contains("1.00 s of sound, at most 0.5"));
        // At 16 kHz these would be 160 million samples: the length is looked at before.
        Assert.That(() => new SoundPreparation { SampleRate = 16000 }.Apply(new WaveAudio(new float[1_000_000], 100), "a"), Throws.TypeOf<ModelFileException>().With.Message.Contains("10000.00 s of sound, at most 60"));
        Assert.That(() => preparation.Apply(new WaveAudio(new float[1000], 16000), "a"), Throws.TypeOf<ModelFileException>().With.Message.Contains("silent"));
        Assert.That(() => new SoundPreparation { SampleRate = 16000 }.Apply(new WaveAudio(new float[1000], 16000), "a"), Throws.TypeOf<ModelFileException>().With.Message.Contains("silent"), "though nothing is cut");
        Assert.That(() => preparation.Apply(new WaveAudio(Array.Empty<float>(), 16000), "a"), Throws.TypeOf<ModelFileException>().With.Message.Contains("no sound"));
    }
}
