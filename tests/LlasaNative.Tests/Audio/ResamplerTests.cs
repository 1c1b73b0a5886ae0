using LlasaNative.Audio;

namespace LlasaNative.Tests.Audio;

public class ResamplerTests
{
    // Side lobes lie below -99 dB (1.1e-5 of the amplitude); float32 taps add 1e-7. A factor of 4 covers the ripple of
    // pass band and stop band together.
    private const double Tolerance = 4e-5;

    [TestCase(16000, 24000)]
    [TestCase(44100, 16000)]
    [TestCase(16000, 16000)]
    [TestCase(48000, 8000)]
    public void StreamingResampler_GivesWhatResamplerGivesOfTheWhole(int source, int target)
    {
        Random random = new(source);
        float[] samples = [.. Enumerable.Range(0, 30_000).Select(_ => random.NextSingle() - 0.5f)];
        StreamingResampler stream = new(source, target);
        List<float> parts = [];
        for (int at = 0; at < samples.Length;)
        {
            int count = Math.Min(random.Next(0, 3000), samples.Length - at);
            float[] part = stream.Resample(samples.AsSpan(at, count));
            parts.AddRange(part);
            at += count;
        }

        Assert.That(parts, Has.Count.GreaterThan(samples.Length * 0.95 * target / source), "what no later sound can change is given at once");
        parts.AddRange(stream.Finish());
        Assert.That(parts, Is.EqualTo(Resampler.Resample(samples, source, target)));
    }

    [TestCase(48000, 16000, 1000)]
    [TestCase(44100, 16000, 440)]
    [TestCase(44100, 16000, 7000)]
    [TestCase(22050, 16000, 3000)]
    [TestCase(8000, 16000, 3500)]
    [TestCase(11025, 16000, 123)]
    [TestCase(16000, 44100, 5000)]
    [TestCase(16001, 16000, 2000, Description = "a ratio whose filters do not fit the table")]
    public void Resample_OfASine_GivesTheSineAtTheNewRate(int source, int target, double frequency)
    {
        float[] result = Resampler.Resample(Sine(source, frequency, source), source, target);
        Assert.That(result, Has.Length.EqualTo(target));

        // Away from the ends, where the filter sees the zeros outside.
        int margin = target / 20;
        double worst = 0;
        for (int n = margin; n < target - margin; n++)
        {
            worst = Math.Max(worst, Math.Abs(result[n] - Math.Sin(2 * Math.PI * frequency * n / target)));
        }

        TestContext.Out.WriteLine($"largest error {worst:E2}");
        Assert.That(worst, Is.LessThan(Tolerance));
    }

    [TestCase(48000, 16000, 8100)]
    [TestCase(44100, 16000, 12000)]
    [TestCase(32000, 16000, 15000)]
    public void Resample_OfASineAboveTheNewNyquist_IsSilent(int source, int target, double frequency)
    {
        float[] result = Resampler.Resample(Sine(source, frequency, source), source, target);
        int margin = target / 20;
        double worst = result[margin..^margin].Max(v => Math.Abs((double)v));
        TestContext.Out.WriteLine($"largest rest {worst:E2}");
        Assert.That(worst, Is.LessThan(Tolerance));
    }

    [Test]
    public void Resample_OfAConstant_KeepsItExactly()
    {
        float[] result = Resampler.Resample(Enumerable.Repeat(0.75f, 8000).ToArray(), 44100, 16000);
        Assert.That(result[1000..2000], Is.All.EqualTo(0.75f).Within(1e-6f));
    }

    [TestCase(0, 44100, 16000, 0)]
    [TestCase(1, 44100, 16000, 1)]
    [TestCase(3, 48000, 16000, 1)]
    [TestCase(4, 48000, 16000, 2)]
    [TestCase(441, 44100, 16000, 160)]
    [TestCase(5, 8000, 16000, 10)]
    public void Resample_GivesTheLengthRoundedUp(int samples, int source, int target, int expected) =>
        Assert.That(Resampler.Resample(new float[samples], source, target), Has.Length.EqualTo(expected));

    [Test]
    public void Resample_ToTheSameRate_ChangesNothing()
    {
        WaveAudio audio = new(new float[] { 1, 2, 3 }, 16000);
        Assert.That(Resampler.Resample(audio, 16000), Is.SameAs(audio));
        Assert.That(Resampler.Resample([1f, 2f], 8000, 8000), Is.EqualTo([1f, 2f]));
        Assert.That(() => Resampler.Resample([1f], 0, 8000), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    private static float[] Sine(int rate, double frequency, int count) =>
        [.. Enumerable.Range(0, count).Select(n => (float)Math.Sin(2 * Math.PI * frequency * n / rate))];
}
