namespace LlasaNative.Training;

/// <summary>What a loss came to.</summary>
/// <param name="Loss">The loss.</param>
/// <param name="PolicyLoss">Its policy term.</param>
/// <param name="Tokens">Tokens that count.</param>
/// <param name="KlSum">Sum over them of the divergence from the reference.</param>
/// <param name="EntropySum">Sum over them of the entropy.</param>
/// <param name="RatioSum">Sum over them of the probability ratio.</param>
/// <param name="ApproxKlSum">Sum over them of the divergence from the policy that drew.</param>
/// <param name="ClippedLow">Of them, those clipped at the lower end of the ratio's trust region.</param>
/// <param name="ClippedHigh">Of them, those clipped at its upper end.</param>
/// <param name="Capped">Of them, those whose policy term is at its cap.</param>
/// <param name="LogProbGapSum">Sum over them of |log-prob - that of the policy that drew|.</param>
/// <param name="LogProbGapMax">The largest such gap.</param>
/// <param name="ComputedTokens">Tokens that were computed, each shared prompt once.</param>
public sealed record LossStats(
    double Loss = 0, double PolicyLoss = 0, double Tokens = 0, double KlSum = 0, double EntropySum = 0, double RatioSum = 0, double ApproxKlSum = 0,
    double ClippedLow = 0, double ClippedHigh = 0, double Capped = 0, double LogProbGapSum = 0, double LogProbGapMax = 0, double ComputedTokens = 0)
{
    /// <summary>Two updates together; gaps are those of the first, before which nothing had changed.</summary>
    /// <param name="next">The later one.</param>
    public LossStats Then(LossStats next)
    {
        ArgumentNullException.ThrowIfNull(next);
        var first = Tokens == 0 ? next : this;
        double[] mine = ToNumbers(), others = next.ToNumbers();
        return Of([.. mine.Zip(others, (a, b) => a + b)]) with { LogProbGapSum = first.LogProbGapSum, LogProbGapMax = first.LogProbGapMax };
    }

    /// <summary>The same update by several ranks, each with its share of the tokens.</summary>
    /// <param name="ranks">What <see cref="ToNumbers"/> gave at each; at least one.</param>
    public static LossStats OfRanks(IReadOnlyList<double[]> ranks)
    {
        ArgumentNullException.ThrowIfNull(ranks);
        var sum = Of([.. Enumerable.Range(0, ranks[0].Length).Select(i => ranks.Sum(rank => rank[i]))]);
        return sum with { LogProbGapMax = ranks.Max(rank => Of(rank).LogProbGapMax) };
    }

    /// <summary>All of it as numbers, which other ranks can be sent.</summary>
    public double[] ToNumbers() =>
    [
        Loss, PolicyLoss, Tokens, KlSum, EntropySum, RatioSum, ApproxKlSum, ClippedLow, ClippedHigh, Capped, LogProbGapSum, LogProbGapMax, ComputedTokens,
    ];

    private static LossStats Of(double[] n) => new(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], n[10], n[11], n[12]);
}
