namespace LlasaNative.Training;

/// <summary>From rewards to advantages.</summary>
/// <param name="Sequences">[B] of each sample; 0 where it takes no part.</param>
/// <param name="Tokens">[N] of each response token, for the estimators that tell tokens apart; else empty.</param>
/// <remarks>Pure functions; sums in double, in index order. <b>Threads:</b> any.</remarks>
public readonly record struct Advantages(float[] Sequences, float[] Tokens)
{
    /// <summary>Added to the variance of whitened returns, as verl does.</summary>
    private const double WhiteningEpsilon = 1e-8;

    /// <summary>Computes them.</summary>
    /// <param name="loss">Which estimator.</param>
    /// <param name="kernel">Compares within groups.</param>
    /// <param name="rewards">[B] of each sample.</param>
    /// <param name="groupSize">Samples of each group, consecutive.</param>
    /// <param name="takesPart">[B] which samples count.</param>
    /// <param name="lengths">[B] response tokens of each sample; N is their sum.</param>
    /// <param name="charges">[N] what is subtracted from the reward at each token, the KL coefficient included; empty = nothing.</param>
    public static Advantages Compute(
        LossOptions loss, IAdvantageKernel kernel, ReadOnlySpan<double> rewards, int groupSize, ReadOnlySpan<bool> takesPart, ReadOnlySpan<int> lengths,
        ReadOnlySpan<double> charges)
    {
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(kernel);
        return loss.Advantage is AdvantageEstimator.ReinforcePlusPlus or AdvantageEstimator.ReinforcePlusPlusBaseline
            ? Whitened(loss.Advantage, rewards, groupSize, takesPart, lengths, charges)
            : new Advantages(OfGroups(loss, kernel, Charged(rewards, lengths, charges), groupSize, takesPart), []);
    }

    /// <summary>One for each response token of some samples.</summary>
    /// <param name="layout">Which tokens are whose.</param>
    /// <param name="samples">Which samples, in order.</param>
    internal float[] OfTokens(TokenValues layout, IReadOnlyList<int> samples)
    {
        if (Tokens.Length > 0)
        {
            return layout.Of<float>(Tokens, samples);
        }

        var sequences = Sequences;
        return layout.Of<float>(layout.All<float>((b, span) => span.Fill(sequences[b])), samples);
    }

    private static double[] Charged(ReadOnlySpan<double> rewards, ReadOnlySpan<int> lengths, ReadOnlySpan<double> charges)
    {
        var result = rewards.ToArray();
        var next = 0;
        for (var b = 0; b < result.Length && !charges.IsEmpty; b++)
        {
            foreach (var charge in charges.Slice(next, lengths[b]))
            {
                result[b] -= charge;
            }

            next += lengths[b];
        }

        return result;
    }

    private static float[] OfGroups(LossOptions loss, IAdvantageKernel kernel, double[] rewards, int groupSize, ReadOnlySpan<bool> takesPart)
    {
        var mask = new byte[rewards.Length];
        var groups = new long[rewards.Length];
        for (var i = 0; i < rewards.Length; i++)
        {
            (mask[i], groups[i]) = (takesPart[i] ? (byte)1 : (byte)0, i / groupSize);
        }

        return kernel.Compute(loss.Advantage, Array.ConvertAll(rewards, r => (float)r), groups, mask, loss.AdvantageEpsilon);
    }

    /// <summary>REINFORCE++: the return of a token is what its sample still earns, whitened over every token that counts.</summary>
    private static Advantages Whitened(
        AdvantageEstimator estimator, ReadOnlySpan<double> rewards, int groupSize, ReadOnlySpan<bool> takesPart, ReadOnlySpan<int> lengths, ReadOnlySpan<double> charges)
    {
        var final = rewards.ToArray();
        if (estimator == AdvantageEstimator.ReinforcePlusPlusBaseline)
        {
            SubtractGroupMeans(final, groupSize, takesPart);
        }

        var total = 0;
        foreach (var length in lengths)
        {
            total += length;
        }

        var returns = new double[total];
        double sum = 0, squares = 0;
        long count = 0;
        for (int b = 0, next = 0; b < final.Length; next += lengths[b++])
        {
            var rest = final[b];
            for (var t = next + lengths[b] - 1; t >= next; t--)
            {
                rest -= charges.IsEmpty ? 0 : charges[t];
                returns[t] = rest;
                (sum, count) = takesPart[b] ? (sum + rest, count + 1) : (sum, count);
            }
        }

        var mean = sum / Math.Max(count, 1);
        for (int b = 0, next = 0; b < final.Length; next += lengths[b++])
        {
            for (var t = next; t < next + lengths[b] && takesPart[b]; t++)
            {
                squares += (returns[t] - mean) * (returns[t] - mean);
            }
        }

        var scale = 1 / Math.Sqrt((squares / Math.Max(count - 1, 1)) + WhiteningEpsilon);
        var tokens = new float[total];
        var sequences = new float[final.Length];
        for (int b = 0, next = 0; b < final.Length; next += lengths[b++])
        {
            for (var t = next; t < next + lengths[b] && takesPart[b]; t++)
            {
                tokens[t] = (float)((returns[t] - mean) * scale);
            }

            sequences[b] = lengths[b] > 0 ? tokens[next] : 0;
        }

        return new Advantages(sequences, tokens);
    }

    private static void SubtractGroupMeans(double[] rewards, int groupSize, ReadOnlySpan<bool> takesPart)
    {
        for (var first = 0; first < rewards.Length; first += groupSize)
        {
            double sum = 0;
            var count = 0;
            for (var i = first; i < first + groupSize; i++)
            {
                (sum, count) = takesPart[i] ? (sum + rewards[i], count + 1) : (sum, count);
            }

            for (var i = first; i < first + groupSize && count > 0; i++)
            {
                rewards[i] -= sum / count;
            }
        }
    }
}
