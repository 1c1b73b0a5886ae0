namespace LlasaNative.Training;

/// <summary>The bands a policy's own speech keeps within, as reward components that hold a trained one to them.</summary>
public static class ProsodyBands
{
    private const double Outside = 0.1;   // of the samples, at each end

    /// <summary>Components whose bands leave out a tenth of the samples at each end.</summary>
    /// <param name="samples">Judged samples of the policy, their prosody measured; at least ten that somebody could listen to.</param>
    /// <returns>For <c>reward.components</c>, without weights.</returns>
    /// <exception cref="UsageException">There are too few samples.</exception>
    public static IReadOnlyList<string> Of(IEnumerable<SampleRecord> samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        SampleRecord[] recognised = [.. samples.Where(s => s.Judgement.Scored && s.Prosody is not null)];
        var rates = Ends(recognised.Select(s => s.Prosody!.Rate(s.Judgement.Characters)));
        var pitches = Ends(recognised.Select(s => s.Prosody!.F0Semitones));
        var pauses = Ends(recognised.Select(s => s.Prosody!.Activity.PauseShare));
        return
        [
            Text($"speaking_rate(low={rates.Low:0.###},high={rates.High:0.###})"),
            // A policy that makes no pauses gives no band of them.
            Text($"prosody(pitch_low={pitches.Low:0.###},pitch_high={pitches.High:0.###}{(pauses.High >= 0.001 ? Text($",pause_high={pauses.High:0.###}") : "")})"),
        ];
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static Band Ends(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Where(double.IsFinite).Order()];
        return sorted.Length >= 10
            ? new Band(sorted[(int)(Outside * (sorted.Length - 1))], sorted[(int)Math.Ceiling((1 - Outside) * (sorted.Length - 1))])
            : throw new UsageException($"bands need at least 10 samples with a pitch, and there are {sorted.Length}");
    }
}
