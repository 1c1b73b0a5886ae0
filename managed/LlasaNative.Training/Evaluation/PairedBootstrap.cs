namespace LlasaNative.Training;

/// <summary>Confidence intervals of two systems measured on the same texts, and of their difference.</summary>
/// <remarks>
/// Texts are resampled with replacement; both systems and all measures are computed on the same resamples. Intervals are
/// percentiles. <b>Threads:</b> stateless, any thread.
/// </remarks>
public static class PairedBootstrap
{
    /// <summary>Difference between two error rates.</summary>
    /// <param name="before">Edits and characters of each text, first system.</param>
    /// <param name="after">The same of the second system.</param>
    /// <param name="key">Of the random numbers.</param>
    /// <param name="resamples">How many.</param>
    /// <param name="level">Share of resamples inside the interval.</param>
    /// <returns>Difference after minus before of the corpus error rates, and its percentile interval.</returns>
    /// <exception cref="ArgumentException">The lists are empty or differ in length.</exception>
    public static (double Difference, double Low, double High) Difference(
        IReadOnlyList<(int Edits, int Characters)> before, IReadOnlyList<(int Edits, int Characters)> after, ulong key,
        int resamples = 10_000, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        PairedTexts texts = new([.. before.Select(t => new TextRatio(t.Edits, t.Characters))], [.. after.Select(t => new TextRatio(t.Edits, t.Characters))]);
        var difference = Estimate([texts], key, resamples, level)[0].Difference;
        // Nothing to be wrong about is no error.
        return double.IsNaN(difference.Value) ? (0, 0, 0) : (difference.Value, difference.Low, difference.High);
    }

    /// <summary>Estimates several measures, each a ratio of sums over texts.</summary>
    /// <param name="measures">What was measured on each text; all of the same number of texts.</param>
    /// <param name="key">Of the random numbers.</param>
    /// <param name="resamples">How many.</param>
    /// <param name="level">Share of resamples inside an interval.</param>
    /// <returns>One estimate per measure; NaN where no text has a denominator.</returns>
    /// <exception cref="ArgumentException">There is no text, or their numbers differ.</exception>
    public static IReadOnlyList<PairedEstimate> Estimate(IReadOnlyList<PairedTexts> measures, ulong key, int resamples = 10_000, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(measures);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(resamples);
        var count = measures.Count > 0 ? measures[0].Before.Count : 0;
        foreach (var measure in measures)
        {
            if (count == 0 || measure.Before.Count != count || measure.After.Count != count)
            {
                throw new ArgumentException(
                    $"{measure.Before.Count} and {measure.After.Count} texts, expected {(count == 0 ? "at least 1" : count)} in both", nameof(measures));
            }
        }

        double[][] before = [.. measures.Select(_ => new double[resamples])];
        double[][] after = [.. measures.Select(_ => new double[resamples])];
        var times = new int[count];
        for (var r = 0; r < resamples; r++)
        {
            Array.Clear(times);
            for (var i = 0; i < count; i++)
            {
                times[Philox.Below(key, (ulong)r, (ulong)i, count)]++;
            }

            for (var m = 0; m < measures.Count; m++)
            {
                before[m][r] = Ratio(measures[m].Before, times);
                after[m][r] = Ratio(measures[m].After, times);
            }
        }

        Array.Fill(times, 1);
        return [.. measures.Select((measure, m) => Estimate(measure, times, before[m], after[m], level))];
    }

    private static PairedEstimate Estimate(PairedTexts measure, int[] once, double[] before, double[] after, double level)
    {
        double[] difference = [.. after.Zip(before, (a, b) => a - b)];
        var (valueBefore, valueAfter) = (Ratio(measure.Before, once), Ratio(measure.After, once));
        return new PairedEstimate(Interval(valueBefore, before, level), Interval(valueAfter, after, level), Interval(valueAfter - valueBefore, difference, level));
    }

    private static IntervalEstimate Interval(double value, double[] resampled, double level)
    {
        // A resample without any denominator (only texts without a voiced frame, say) says nothing.
        double[] sorted = [.. resampled.Where(double.IsFinite).Order()];
        return double.IsNaN(value) || sorted.Length == 0
            ? new IntervalEstimate(double.NaN, double.NaN, double.NaN)
            : new IntervalEstimate(value, Quantile(sorted, (1 - level) / 2), Quantile(sorted, (1 + level) / 2));
    }

    private static double Ratio(IReadOnlyList<TextRatio> texts, int[] times)
    {
        double numerator = 0, denominator = 0;
        for (var i = 0; i < times.Length; i++)
        {
            numerator += times[i] * texts[i].Numerator;
            denominator += times[i] * texts[i].Denominator;
        }

        return denominator > 0 ? numerator / denominator : double.NaN;
    }

    /// <summary>Linear between order statistics, as numpy's default.</summary>
    private static double Quantile(double[] sorted, double q)
    {
        var position = q * (sorted.Length - 1);
        var low = (int)Math.Floor(position);
        var high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + ((position - low) * (sorted[high] - sorted[low]));
    }
}
