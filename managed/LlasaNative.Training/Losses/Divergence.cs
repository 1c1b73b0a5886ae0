namespace LlasaNative.Training;

/// <summary>Estimates of the KL divergence from a reference, per token (joschu.net/blog/kl-approx.html), and importance weights.</summary>
/// <remarks>The same formulas and clamps as the native loss. <b>Threads:</b> any.</remarks>
public static class Divergence
{
    private const double LargestLogRatio = 20;
    private const double LargestK3 = 10;

    /// <summary>One token's estimate.</summary>
    /// <param name="estimator">Which.</param>
    /// <param name="logProb">Under the policy that drew it.</param>
    /// <param name="reference">Under the reference.</param>
    public static double Estimate(KlEstimator estimator, double logProb, double reference)
    {
        var difference = logProb - reference;
        if (estimator == KlEstimator.K1)
        {
            return difference;
        }

        if (estimator == KlEstimator.K2)
        {
            return difference * difference / 2;
        }

        var k = Math.Clamp(-difference, -LargestLogRatio, LargestLogRatio);
        return Math.Min(Math.Exp(k) - k - 1, LargestK3);
    }

    /// <summary>Truncated importance weights min(policy / drawn with, cap), as in verl's rollout correction.</summary>
    /// <param name="level">Per token, or the product over a sequence.</param>
    /// <param name="cap">Largest weight.</param>
    /// <param name="policy">[N] log-probs under the policy that ratios are taken against.</param>
    /// <param name="drawn">[N] log of the probability each token was really drawn with.</param>
    /// <param name="lengths">[B] response tokens of each sample.</param>
    /// <param name="truncated">How many tokens have a weight at the cap.</param>
    /// <returns>[N]; empty for no weights.</returns>
    public static float[] ImportanceWeights(
        ImportanceLevel level, double cap, ReadOnlySpan<float> policy, ReadOnlySpan<float> drawn, ReadOnlySpan<int> lengths, out long truncated)
    {
        truncated = 0;
        if (level == ImportanceLevel.None)
        {
            return [];
        }

        var weights = new float[policy.Length];
        var next = 0;
        foreach (var length in lengths)
        {
            double sum = 0;
            for (var t = next; t < next + length; t++)
            {
                sum += (double)policy[t] - drawn[t];
            }

            for (var t = next; t < next + length; t++)
            {
                var logRatio = level == ImportanceLevel.Sequence ? sum : (double)policy[t] - drawn[t];
                var ratio = Math.Exp(Math.Clamp(logRatio, -LargestLogRatio, LargestLogRatio));
                truncated += ratio > cap ? 1 : 0;
                weights[t] = (float)Math.Min(ratio, cap);
            }

            next += length;
        }

        return weights;
    }
}
