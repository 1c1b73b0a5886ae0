using LlasaNative.Audio;

namespace LlasaNative.Tests.Audio;

public sealed class LoudnessTests
{
    // The Recommendation's own check: a sine of full scale at 997 Hz in one channel reads -3.01 LKFS. EBU Tech 3341 allows 0.1.
    [TestCase(48000)]
    [TestCase(44100)]
    [TestCase(16000)]
    public void Measure_OfTheRecommendationsTone_IsWhatItSays(int rate) =>
        Assert.That(Loudness.Measure(Tone(rate, 997, 1, 3), rate), Is.EqualTo(-3.01).Within(0.1));

    [Test]
    public void Measure_LeavesSilenceOut()
    {
        var tone = Tone(16000, 997, 0.1, 2);
        // 17 blocks are all tone, and at each end three a quarter, a half and three quarters; 10 LU below the mean is less than a quarter.
        var expected = Loudness.Measure(tone, 16000) + (10 * Math.Log10((17 + (2 * 1.5)) / (17 + 6)));
        Assert.That(Loudness.Measure([.. new float[32000], .. tone, .. new float[32000]], 16000), Is.EqualTo(expected).Within(0.01));
        Assert.That(Loudness.Measure(new float[16000], 16000), Is.EqualTo(double.NegativeInfinity));
        Assert.That(Loudness.Measure([], 16000), Is.EqualTo(double.NegativeInfinity));
    }

    [TestCase(0.01)]
    [TestCase(0.5)]
    public void Bring_ReachesTheTarget(double amplitude) =>
        Assert.That(Loudness.Measure(Loudness.Bring(Tone(16000, 440, amplitude, 1), 16000, -23), 16000), Is.EqualTo(-23).Within(1e-4));

    [Test]
    public void Bring_ClipsNothing()
    {
        var quiet = Tone(16000, 440, 0.01, 1);
        quiet[8000] = 0.5f;
        Assert.That(Loudness.Bring(quiet, 16000, -10).Max(Math.Abs), Is.EqualTo(1).Within(1e-6));
        Assert.That(Loudness.Bring(new float[100], 16000, -23), Is.EqualTo(new float[100]));
    }

    internal static float[] Tone(int rate, double frequency, double amplitude, double seconds) =>
        [.. Enumerable.Range(0, (int)(rate * seconds)).Select(i => (float)(amplitude * Math.Sin(2 * Math.PI * frequency * i / rate)))];
}
