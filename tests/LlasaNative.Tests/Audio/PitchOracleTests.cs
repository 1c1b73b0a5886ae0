using System.Text.Json;
using LlasaNative.Audio;
using LlasaNative.Tests.Support;

namespace LlasaNative.Tests.Audio;

/// <summary>Agreement with Praat's autocorrelation method on synthetic speech (tests/oracle/gen_pitch.py).</summary>
public sealed class PitchOracleTests
{
    private static IEnumerable<string> Cases() => OracleData.Cases("pitch");

    [TestCaseSource(nameof(Cases))]
    public void Track_AgreesWithPraat(string directory)
    {
        var voice = WaveFile.Read(Path.Combine(directory, "voice.wav"));
        var track = new PitchTracker().Track(voice.Samples.Span, voice.SampleRate);
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(directory, "case.json")));
        double[] times = Numbers("times"), praat = Numbers("hertz");
        var (both, gross, voicing, turns) = (0, 0, 0, 0);
        double cents = 0;
        for (var i = 0; i < times.Length; i++)
        {
            double ours = track[Math.Clamp((int)Math.Round((times[i] / 0.01) - 0.5), 0, track.Length - 1)];
            turns += i > 0 && praat[i] > 0 != praat[i - 1] > 0 ? 1 : 0;
            if (ours > 0 != praat[i] > 0)
            {
                voicing++;
            }
            else if (ours > 0)
            {
                both++;
                var difference = 1200 * Math.Log2(ours / praat[i]);
                gross += Math.Abs(difference) > 300 ? 1 : 0;
                cents += Math.Abs(difference) > 300 ? 0 : difference * difference;
            }
        }

        var deviation = Math.Sqrt(cents / (both - gross));
        TestContext.Out.WriteLine($"{both} frames voiced in both, {gross} gross, {deviation:F1} cents apart, {voicing} voiced in one, {turns} turns");
        Assert.Multiple(() =>
        {
            Assert.That(gross, Is.LessThanOrEqualTo(both / 100), "gross errors: octaves and harmonics");
            // Praat's frames stand up to 5 ms from ours, and it weighs 50 ms where YIN compares 25: where F0 moves by an octave
            // per second (questions do) that is 6 to 30 cents.
            Assert.That(deviation, Is.LessThan(30));
            // At every change between voiced and unvoiced either may be half of its window, two frames, early or late.
            Assert.That(voicing, Is.LessThanOrEqualTo(4 * turns));
            Assert.That(both, Is.GreaterThan(0.8 * praat.Count(f => f > 0)));
        });

        double[] Numbers(string name) => [.. json.RootElement.GetProperty(name).EnumerateArray().Select(v => v.GetDouble())];
    }
}
