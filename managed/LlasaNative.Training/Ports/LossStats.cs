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
        return new LossStats
        {
            Loss = Loss + next.Loss,
            PolicyLoss = PolicyLoss + next.PolicyLoss,
            Tokens = Tokens + next.Tokens,
            KlSum = KlSum + next.KlSum,
            EntropySum = EntropySum + next.EntropySum,
            RatioSum = RatioSum + next.RatioSum,
            ApproxKlSum = ApproxKlSum + next.ApproxKlSum,
            ClippedLow = ClippedLow + next.ClippedLow,
            ClippedHigh = ClippedHigh + next.ClippedHigh,
            Capped = Capped + next.Capped,
            LogProbGapSum = first.LogProbGapSum,
            LogProbGapMax = first.LogProbGapMax,
            ComputedTokens = ComputedTokens + next.ComputedTokens,
        };
    }
}
