namespace LlasaNative.Audio;

/// <summary>How something is said: melody, pauses, speed.</summary>
/// <param name="F0Mean">Mean fundamental frequency of the voiced frames in Hz; NaN with fewer than two of them.</param>
/// <param name="F0Deviation">Its standard deviation in Hz; NaN likewise. Small: monotone.</param>
/// <param name="F0Semitones">Standard deviation of the fundamental frequency in semitones, comparable between voices; NaN likewise.</param>
/// <param name="VoicedShare">Share of frames that are voiced.</param>
/// <param name="Activity">Where there is something to hear.</param>
public sealed record Prosody(double F0Mean, double F0Deviation, double F0Semitones, double VoicedShare, SpeechActivity Activity)
{
    /// <summary>Measures a sound.</summary>
    /// <param name="samples">Amplitudes, full scale is ±1.</param>
    /// <param name="sampleRate">Samples per second.</param>
    /// <param name="tracker">Finds the fundamental frequency.</param>
    public static Prosody Measure(ReadOnlySpan<float> samples, int sampleRate, PitchTracker tracker)
    {
        ArgumentNullException.ThrowIfNull(tracker);
        var track = tracker.Track(samples, sampleRate);
        double[] voiced = [.. track.Where(f => f > 0).Select(f => (double)f)];
        var (mean, deviation) = Moments(voiced);
        var (_, octaves) = Moments([.. voiced.Select(Math.Log2)]);
        return new Prosody(
            mean, deviation, 12 * octaves, track.Length > 0 ? (double)voiced.Length / track.Length : 0, SpeechActivity.Measure(samples, sampleRate));
    }

    /// <summary>Characters per second from the first sound to the last, pauses included; NaN when nothing sounds.</summary>
    /// <param name="characters">Characters of what is said.</param>
    public double Rate(int characters) => Activity.Spoken > 0 ? characters / Activity.Spoken : double.NaN;

    private static (double Mean, double Deviation) Moments(double[] values) =>
        values.Length < 2 ? (double.NaN, double.NaN) : (values.Average(), values.Deviation());
}
