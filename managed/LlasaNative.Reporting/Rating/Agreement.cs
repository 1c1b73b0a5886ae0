namespace LlasaNative.Reporting.Rating;

/// <summary>How far raters agree with each other and with themselves.</summary>
public static class Agreement
{
    /// <summary>Krippendorff's alpha for nominal values: 1 = always, 0 = as chance would; NaN where nothing was judged twice or all values are one.</summary>
    /// <param name="units">Values of each unit, one per rater who judged it.</param>
    public static double Alpha(IEnumerable<IReadOnlyList<int>> units)
    {
        ArgumentNullException.ThrowIfNull(units);
        Dictionary<int, double> totals = [];
        double observed = 0, count = 0;
        foreach (var values in units.Where(u => u.Count > 1))
        {
            // Every ordered pair of a unit's values counts 1 / (m - 1), so that each value counts once.
            count += values.Count;
            foreach (var value in values)
            {
                totals[value] = totals.GetValueOrDefault(value) + 1;
                observed += values.Count(other => other != value) / (values.Count - 1.0);
            }
        }

        var expected = (count * count) - totals.Values.Sum(n => n * n);
        return expected > 0 ? 1 - ((count - 1) * observed / expected) : double.NaN;
    }

    /// <summary>The same of ratings, of what raters said when they first heard each pair.</summary>
    /// <param name="ratings">Any ratings.</param>
    public static double Alpha(IEnumerable<PairRating> ratings)
    {
        ArgumentNullException.ThrowIfNull(ratings);
        return Alpha(ratings.Where(r => !r.IsRepeat).GroupBy(r => r.Pair).Select(g => (IReadOnlyList<int>)[.. g.Select(r => (int)r.Choice)]));
    }

    /// <summary>Share of the pairs heard twice of which a rater said the same both times; NaN without any.</summary>
    /// <param name="ratings">One rater's.</param>
    public static double Consistency(IEnumerable<PairRating> ratings)
    {
        ArgumentNullException.ThrowIfNull(ratings);
        var both = ratings.GroupBy(r => r.Pair).Where(g => g.Any(r => r.IsRepeat) && g.Any(r => !r.IsRepeat)).ToArray();
        return both.Length == 0 ? double.NaN : both.Count(g => g.Select(r => r.Choice).Distinct().Count() == 1) / (double)both.Length;
    }
}
