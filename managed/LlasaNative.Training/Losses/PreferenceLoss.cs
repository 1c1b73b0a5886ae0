namespace LlasaNative.Training;

/// <summary>What pairs of responses, one preferred to the other, come to as numbers per token.</summary>
/// <remarks>
/// With s the sum over a response's tokens of log-prob (of simpo) or log-ratio to the reference (of all others), divided by their
/// number but for dpo, d = s of the chosen less s of the rejected one, and e the label smoothing, the loss of a pair is
/// <c>-(1 - e) log sigmoid(beta d) - e log sigmoid(-beta d)</c> for dpo and dpo_norm, the same of <c>beta d - margin</c> for simpo, and
/// <c>(d - 1 / (2 beta))^2</c> for ipo; then the mean over pairs. Its slope by each token's log-prob is one number per response, which is
/// what training is given. These are TRL's definitions. <b>Threads:</b> any.
/// </remarks>
/// <param name="options">Which loss.</param>
public sealed class PreferenceLoss(PreferenceLossOptions options)
{
    /// <summary>What the numbers per token are of.</summary>
    public static LossShape Shape { get; } = new(PolicyTerm.LogProb);

    /// <summary>The loss of some pairs.</summary>
    /// <param name="lengths">[2P] response tokens of the chosen and of the rejected response of each pair.</param>
    /// <param name="policy">[N] log-probs under the policy, response after response.</param>
    /// <param name="reference">[N] under the reference; empty when it is not kept.</param>
    /// <exception cref="ArgumentException">The lengths are not of pairs, or do not add up to the log-probs.</exception>
    public PreferenceTerms Of(IReadOnlyList<int> lengths, ReadOnlySpan<float> policy, ReadOnlySpan<float> reference)
    {
        ArgumentNullException.ThrowIfNull(lengths);
        if (lengths.Count == 0 || lengths.Count % 2 != 0 || lengths.Any(l => l < 1) || lengths.Sum() != policy.Length || (reference.Length != policy.Length && (options.NeedsReference || reference.Length > 0)))
        {
            throw new ArgumentException($"{lengths.Count} responses of {lengths.Sum()} tokens with {policy.Length} and {reference.Length} log-probs, expected pairs and a log-prob for each token", nameof(lengths));
        }

        var slopes = new float[policy.Length];
        var (pairs, chosenTokens) = (lengths.Count / 2, lengths.Where((_, b) => b % 2 == 0).Sum());
        List<PreferenceTerms.Pair> scores = new(pairs);
        for (int pair = 0, first = 0; pair < pairs; pair++)
        {
            var (chosen, rejected) = (lengths[2 * pair], lengths[(2 * pair) + 1]);
            var c = Score(policy, reference, first, chosen);
            var r = Score(policy, reference, first + chosen, rejected);
            var (loss, slope) = Slope(c.Score - r.Score);
            slopes.AsSpan(first, chosen).Fill((float)((slope / pairs / Count(chosen)) - (options.SftWeight / chosenTokens)));
            slopes.AsSpan(first + chosen, rejected).Fill((float)(-slope / pairs / Count(rejected)));
            scores.Add(new PreferenceTerms.Pair(loss, c.Score * options.Beta, r.Score * options.Beta, c.LogProb, r.LogProb));
            first += chosen + rejected;
        }

        var divergence = 0.0;
        for (var n = 0; n < reference.Length; n++)
        {
            divergence += Divergence.Estimate(KlEstimator.K3, policy[n], reference[n]);
        }

        // Minus advantage times log-prob is the term, so the advantage is minus the slope; its weight is 1 for every token, to be counted by.
        TokenTerms terms = new(Array.ConvertAll(slopes, s => -s), [.. Enumerable.Repeat(1f, slopes.Length)]);
        return new PreferenceTerms(terms, scores, divergence, chosenTokens, policy.Length - chosenTokens, options.SftWeight)
        {
            HasReference = reference.Length > 0,
        };
    }

    private int Count(int length) => options.IsPerToken ? length : 1;

    private (double Score, double LogProb) Score(ReadOnlySpan<float> policy, ReadOnlySpan<float> reference, int first, int length)
    {
        double sum = 0, ratio = 0;
        for (var n = first; n < first + length; n++)
        {
            sum += policy[n];
            ratio += options.NeedsReference ? (double)policy[n] - reference[n] : policy[n];
        }

        return (ratio / Count(length), sum);
    }

    /// <summary>Loss of a pair whose scores differ by so much, and its slope by that difference.</summary>
    private (double Loss, double Slope) Slope(double difference)
    {
        if (options.Loss == PreferenceLossKind.Ipo)
        {
            var distance = difference - (1 / (2 * options.Beta));
            return (distance * distance, 2 * distance);
        }

        var x = (options.Beta * difference) - (options.Loss == PreferenceLossKind.Simpo ? options.Margin : 0);
        var (e, sigmoid) = (options.LabelSmoothing, 1 / (1 + Math.Exp(-x)));
        // -log sigmoid(x) = max(-x, 0) + log(1 + exp(-|x|)), which does not overflow.
        var tail = Math.Log(1 + Math.Exp(-Math.Abs(x)));
        var loss = ((1 - e) * (Math.Max(-x, 0) + tail)) + (e * (Math.Max(x, 0) + tail));
        return (loss, options.Beta * (((1 - e) * (sigmoid - 1)) + (e * sigmoid)));
    }
}
