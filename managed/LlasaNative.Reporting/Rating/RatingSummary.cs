namespace LlasaNative.Reporting.Rating;

/// <summary>What people's judgements of some pairs come to: how they chose, how far they agree, and which policy they prefer.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class RatingSummary
{
    private RatingSummary(IReadOnlyList<PairRating> ratings, int pairs) => (Ratings, Pairs) = (ratings, pairs);

    /// <summary>All judgements.</summary>
    public IReadOnlyList<PairRating> Ratings { get; }

    /// <summary>Pairs there are to judge.</summary>
    public int Pairs { get; }

    /// <summary>Pairs that somebody judged.</summary>
    public int Judged => Ratings.Select(r => r.Pair).Distinct().Count();

    /// <summary>Each rater by name: judgements, share of the repeated pairs of which they said the same again, share of the left one among their choices; NaN where there is none.</summary>
    public IReadOnlyList<(string Name, int Count, double Consistency, double LeftShare)> Raters =>
        [.. Ratings.GroupBy(r => r.Rater).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g => (g.Key, g.Count(), Agreement.Consistency(g), Left(g)))];

    /// <summary>Krippendorff's alpha between raters, nominal, of first judgements; NaN where no pair was judged by two, or all said the same.</summary>
    public double Alpha => Agreement.Alpha(Ratings);

    /// <summary>Elo numbers with 95 % intervals, the best policy first; empty with one policy, or where nobody compared two.</summary>
    public IReadOnlyList<(string Policy, IntervalEstimate Elo)> Policies { get; private init; } = [];

    /// <summary>Sums up.</summary>
    /// <param name="pairs">The pairs.</param>
    /// <param name="ratings">What raters said of them.</param>
    /// <param name="seed">Of the bootstrap over pairs.</param>
    public static RatingSummary Of(IReadOnlyList<SpeechPair> pairs, IReadOnlyList<PairRating> ratings, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        ArgumentNullException.ThrowIfNull(ratings);
        string[] policies = [.. pairs.SelectMany(p => new[] { p.First.Policy, p.Second.Policy }).Distinct().Order(StringComparer.Ordinal)];
        BradleyTerry.Meeting[][] meetings = [.. ratings.Where(r => !r.IsRepeat && r.Choice != RatingChoice.BothBad).GroupBy(r => r.Pair).Select(g => g.Select(r => new BradleyTerry.Meeting(
            Array.IndexOf(policies, pairs[r.Pair].First.Policy), Array.IndexOf(policies, pairs[r.Pair].Second.Policy), r.Choice switch { RatingChoice.A => 1, RatingChoice.B => 0, _ => 0.5 })).ToArray())];
        return new RatingSummary(ratings, pairs.Count)
        {
            Policies = policies.Length < 2 || meetings.Length == 0 ? []
                : [.. BradleyTerry.Elo(policies.Length, meetings, seed).Zip(policies, (e, policy) => (policy, new IntervalEstimate(e.Value, e.Low, e.High))).OrderByDescending(e => e.Item2.Value)],
        };
    }

    // About a half: a rater who always takes the left one does not listen.
    private static double Left(IEnumerable<PairRating> ratings) =>
        ratings.Where(r => r.Choice is RatingChoice.A or RatingChoice.B).Select(r => (r.Choice == RatingChoice.A) != r.Swapped ? 1.0 : 0).DefaultIfEmpty(double.NaN).Average();
}
