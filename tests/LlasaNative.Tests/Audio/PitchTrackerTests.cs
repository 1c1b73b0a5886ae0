using LlasaNative.Audio;

namespace LlasaNative.Tests.Audio;

public sealed class PitchTrackerTests
{
    // Half a percent, 9 cents. The parabola through the difference function around a lag of rate / F0 samples is off by less
    // than a twentieth of a sample (its quartic term for a harmonic sum cut at 4 kHz); at 500 Hz a lag is 32 samples: 0.16 %.
    // The rest is the movement of F0 over the 25 ms that are compared, which only the vibrato test has.
    private const double Tolerance = 0.005;

    [TestCase(65)]
    [TestCase(80)]
    [TestCase(100)]
    [TestCase(151.7)]
    [TestCase(220)]
    [TestCase(333.3)]
    [TestCase(440)]
    [TestCase(490)]
    public void Track_OfASteadyVoice_IsItsFrequency(double hertz) => AssertAll(Voices.Sing(0.5, _ => hertz), hertz, Tolerance);

    [TestCase(90)]
    [TestCase(200)]
    public void Track_WithoutTheFundamental_StillFindsIt(double hertz) => AssertAll(Voices.Sing(0.5, _ => hertz, first: 2), hertz, Tolerance);

    [TestCase(8000)]
    [TestCase(22050)]
    [TestCase(48000)]
    public void Track_AtOtherRates_IsTheSame(int rate) =>
        AssertAll(Resampler.Resample(Voices.Sing(0.5, _ => 170), Voices.Rate, rate), 170, Tolerance, rate);

    [TestCase(85)]
    [TestCase(240)]
    public void Track_WithNoise10DbBelow_StaysOnTheOctave(double hertz)
    {
        var voice = Voices.Sing(1, _ => hertz);
        var track = new PitchTracker().Track(Voices.Add(voice, Voices.Noise(voice.Length, Voices.Rms(voice) / Math.Sqrt(10))), Voices.Rate);
        var voiced = track.Where(f => f > 0).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(voiced, Has.Length.GreaterThan(0.97 * track.Length));
            // A gross error, 20 % off, would be an octave or a harmonic; noise alone moves single frames by some percent.
            Assert.That(voiced.All(f => Math.Abs(f - hertz) < 0.05 * hertz), $"{voiced.Min()} to {voiced.Max()}");
        });
    }

    [TestCase(110, 0.01)]
    [TestCase(110, 0.015)]
    [TestCase(210, 0.02)]
    public void Track_OfJitteringPulses_StaysOnTheOctave(double hertz, double jitter)
    {
        var track = new PitchTracker().Track(Voices.Pulses(1, hertz, jitter), Voices.Rate);
        var voiced = track.Where(f => f > 0).ToArray();
        Assert.Multiple(() =>
        {
            Assert.That(voiced, Has.Length.GreaterThan(0.95 * track.Length));
            // A frame sees two to five periods: four standard deviations of a period are the farthest that it can lie.
            Assert.That(voiced.All(f => Math.Abs(f - hertz) < 4 * jitter * hertz), $"{voiced.Min()} to {voiced.Max()}");
        });
    }

    [Test]
    public void Track_OfAVibrato_FollowsIt()
    {
        static double Hertz(double t) => 180 * Math.Pow(2, 2.0 / 12 * Math.Sin(2 * Math.PI * 5 * t));
        var track = new PitchTracker().Track(Voices.Sing(1, Hertz), Voices.Rate);
        for (var i = 3; i < track.Length - 3; i++)
        {
            // Curvature over the T = 31 ms that are compared: 2 semitones · (2π · 5 Hz)² · T² / 24 = 0.08 semitones, 0.45 %;
            // twice that, because a window weighs its ends less or more as the amplitude of the harmonics there has it.
            Assert.That(track[i], Is.EqualTo(Hertz((i + 0.5) * 0.01)).Within(0.9).Percent, $"frame {i}");
        }
    }

    [Test]
    public void Track_OfNoiseOrSilence_IsUnvoiced()
    {
        Assert.Multiple(() =>
        {
            Assert.That(new PitchTracker().Track(Voices.Noise(16000, 0.1), Voices.Rate).Count(f => f > 0), Is.LessThan(3));
            Assert.That(new PitchTracker().Track(new float[16000], Voices.Rate), Is.All.Zero);
            Assert.That(new PitchTracker().Track(Enumerable.Repeat(0.25f, 16000).ToArray(), Voices.Rate), Is.All.Zero, "a constant");
            Assert.That(new PitchTracker().Track(new float[100], Voices.Rate), Is.Empty);
            Assert.That(new PitchTracker().Track([], Voices.Rate), Is.Empty);
            Assert.That(new PitchTracker().Track(Voices.Sing(0.02, _ => 200), Voices.Rate), Is.All.Zero, "shorter than what is compared");
        });
    }

    [Test]
    public void Track_DecidesVoicingWithinTwoFrames()
    {
        // 0.3 s of voice, 0.2 s of noise as loud, 0.2 s of silence, 0.3 s of voice.
        var voice = Voices.Sing(1, t => t is < 0.3 or > 0.7 ? 130 : 0);
        var noise = Voices.Noise(voice.Length, 0.1);
        for (var i = (int)(0.3 * Voices.Rate); i < (int)(0.5 * Voices.Rate); i++)
        {
            voice[i] += noise[i];
        }

        var track = new PitchTracker().Track(voice, Voices.Rate);
        for (var i = 0; i < track.Length; i++)
        {
            var time = (i + 0.5) * 0.01;
            // What is compared spans 42 ms around the middle of a frame: decisions may be off by half of that.
            if (Math.Abs(time - 0.3) > 0.022 && Math.Abs(time - 0.7) > 0.022)
            {
                Assert.That(track[i] > 0, Is.EqualTo(time is < 0.3 or > 0.7), $"at {time:F3} s");
            }
        }
    }

    [Test]
    public void Track_IsTheSameWhateverWasTrackedBefore()
    {
        PitchTracker used = new();
        used.Track(Voices.Noise(30000, 0.2), 48000);
        var voice = Voices.Pulses(0.4, 140, 0.02);
        Assert.That(used.Track(voice, Voices.Rate), Is.EqualTo(new PitchTracker().Track(voice, Voices.Rate)));
    }

    [Test]
    public void Track_OfWhatCannotBeTracked_IsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new PitchTracker().Track(new float[1000], 1500));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = new PitchTracker(new PitchOptions { Lowest = 5 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ = new PitchTracker(new PitchOptions { Lowest = 100, Highest = 120 }));
    }

    private static void AssertAll(float[] voice, double hertz, double tolerance, int rate = Voices.Rate)
    {
        var track = new PitchTracker().Track(voice, rate);
        var worst = track.Max(f => Math.Abs(f - hertz) / hertz);
        TestContext.Out.WriteLine($"{hertz} Hz: largest error {worst:P3}");
        Assert.That(worst, Is.LessThan(tolerance), string.Join(' ', track));
    }
}
