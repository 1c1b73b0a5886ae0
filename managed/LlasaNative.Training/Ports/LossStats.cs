namespace LlasaNative.Training;

/// <summary>What a loss came to.</summary>
public sealed record LossStats
{
    /// <summary>The loss.</summary>
    public double Loss { get; init; }

    /// <summary>Its policy term.</summary>
    public double PolicyLoss { get; init; }

    /// <summary>Tokens that count.</summary>
    public double Tokens { get; init; }

    /// <summary>Sum over them of the divergence from the reference.</summary>
    public double KlSum { get; init; }

    /// <summary>Sum over them of the entropy.</summary>
    public double EntropySum { get; init; }

    /// <summary>Sum over them of the probability ratio.</summary>
    public double RatioSum { get; init; }

    /// <summary>Sum over them of the divergence from the policy that drew.</summary>
    public double ApproxKlSum { get; init; }

    /// <summary>Of them, those clipped at the lower end of the ratio's trust region.</summary>
    public double ClippedLow { get; init; }

    /// <summary>Of them, those clipped at its upper end.</summary>
    public double ClippedHigh { get; init; }

    /// <summary>Of them, those whose policy term is at its cap.</summary>
    public double Capped { get; init; }

    /// <summary>Sum over them of |log-prob - that of the policy that drew|.</summary>
    public double LogProbGapSum { get; init; }

    /// <summary>The largest such gap.</summary>
    public double LogProbGapMax { get; init; }

    /// <summary>Tokens that were computed, each shared prompt once.</summary>
    public double ComputedTokens { get; init; }

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

    private static LossStats Of(double[] numbers) => new()
    {
        Loss = numbers[0],
        PolicyLoss = numbers[1],
        Tokens = numbers[2],
        KlSum = numbers[3],
        EntropySum = numbers[4],
        RatioSum = numbers[5],
        ApproxKlSum = numbers[6],
        ClippedLow = numbers[7],
        ClippedHigh = numbers[8],
        Capped = numbers[9],
        LogProbGapSum = numbers[10],
        LogProbGapMax = numbers[11],
        ComputedTokens = numbers[12],
    };
}
