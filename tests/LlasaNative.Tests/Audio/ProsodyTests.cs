using LlasaNative.Audio;

namespace LlasaNative.Tests.Audio;

public sealed class ProsodyTests
{
    [Test]
    public void Prosody_OfAVibrato_HasItsMeanAndSpread()
    {
        // A sine of 2 semitones has a standard deviation of 2/√2 = 1.414 semitones; 3 % for the smoothing over the window.
        var prosody = Prosody.Measure(Voices.Sing(2, t => 150 * Math.Pow(2, 2.0 / 12 * Math.Sin(2 * Math.PI * 5 * t))), Voices.Rate, new PitchTracker());
        Assert.Multiple(() =>
        {
            Assert.That(prosody.F0Semitones, Is.EqualTo(1.414).Within(3).Percent);
            Assert.That(prosody.F0Deviation, Is.EqualTo(150 * Math.Log(2) / 12 * 1.414).Within(4).Percent);
            Assert.That(prosody.F0Mean, Is.EqualTo(150).Within(1).Percent);
            Assert.That(prosody.VoicedShare, Is.GreaterThan(0.98));
        });
    }

    [Test]
    public void Prosody_OfAMonotone_HasNoSpread() =>
        Assert.That(Prosody.Measure(Voices.Sing(1, _ => 150), Voices.Rate, new PitchTracker()).F0Semitones, Is.LessThan(0.03));

    [Test]
    public void Prosody_OfSilence_IsNotANumber()
    {
        var prosody = Prosody.Measure(new float[16000], Voices.Rate, new PitchTracker());
        Assert.Multiple(() =>
        {
            Assert.That(prosody.F0Mean, Is.NaN);
            Assert.That(prosody.F0Deviation, Is.NaN);
            Assert.That(prosody.Rate(10), Is.NaN);
            Assert.That(prosody.VoicedShare, Is.Zero);
            Assert.That(prosody.Activity, Is.EqualTo(new SpeechActivity(1, 0, 0, 0, 0, 0)));
        });
    }

    [Test]
    public void Activity_FindsStartEndAndPauses()
    {
        // Sound at 0.2-0.6, 0.9-1.3, 1.4-1.8 of 2 s: a pause of 0.3 s, and a gap of 0.1 s that is none.
        var sound = Voices.Sing(2, t => t is (>= 0.2 and < 0.6) or (>= 0.9 and < 1.3) or (>= 1.4 and < 1.8) ? 200 : 0);
        var activity = SpeechActivity.Measure(sound, Voices.Rate);
        // Levels are measured over 20 ms in steps of 10: each edge may be seen 10 ms early or late.
        Assert.Multiple(() =>
        {
            Assert.That(activity.Seconds, Is.EqualTo(2));
            Assert.That(activity.Start, Is.EqualTo(0.2).Within(0.0101));
            Assert.That(activity.End, Is.EqualTo(1.8).Within(0.0101));
            Assert.That(activity.Pauses, Is.EqualTo(1));
            Assert.That(activity.LongestPause, Is.EqualTo(0.3).Within(0.0201));
            Assert.That(activity.PauseShare, Is.EqualTo(0.3 / 1.6).Within(0.02));
        });
    }

    [Test]
    public void Activity_OfLessThanAFrame_IsSilent()
    {
        Assert.That(SpeechActivity.Measure([], Voices.Rate).Spoken, Is.Zero);
        Assert.That(SpeechActivity.Measure(new float[100], Voices.Rate).Seconds, Is.EqualTo(100.0 / Voices.Rate));
    }

    [Test]
    public void Rate_CountsFromFirstToLastSound() =>
        Assert.That(
            Prosody.Measure(Voices.Sing(2, t => t is >= 0.5 and < 1.5 ? 150 : 0), Voices.Rate, new PitchTracker()).Rate(14), Is.EqualTo(14).Within(0.3));

    [Test, Explicit("a measurement: seconds per second of sound")]
    public void Prosody_Speed()
    {
        var voice = Voices.Sing(30, t => 150 + (30 * Math.Sin(3 * t)));
        PitchTracker tracker = new();
        for (var i = 0; i < 5; i++)
        {
            var start = System.Diagnostics.Stopwatch.GetTimestamp();
            Prosody.Measure(voice, Voices.Rate, tracker);
            TestContext.Out.WriteLine($"{System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds / 30:F3} ms per second of sound");
        }
    }
}
