using LlasaNative.Training;

namespace LlasaNative.Tests.Training;

/// <summary>The loss of tokens whose current log-probs are known, as papers write it.</summary>
internal static class PlainLoss
{
    public static double Of(LossShape shape, TokenTerms terms, IReadOnlyList<int> lengths, IReadOnlyList<float> logProbs, IReadOnlyList<float> entropies)
    {
        double loss = 0;
        for (int b = 0, first = 0; b < lengths.Count; first += lengths[b++])
        {
            int[] tokens = [.. Enumerable.Range(first, lengths[b])];
            var ofSequence = terms.OldLogProbs.Length == 0 ? 0
                : tokens.Where(n => Counts(terms, n)).Select(n => (double)logProbs[n] - terms.OldLogProbs[n]).DefaultIfEmpty().Average();
            foreach (var n in tokens.Where(n => Counts(terms, n)))
            {
                var logRatio = terms.OldLogProbs.Length == 0 ? 0
                    : shape.Ratio == RatioLevel.Sequence ? ofSequence : (double)logProbs[n] - terms.OldLogProbs[n];
                loss += (terms.PolicyWeights[n] * Policy(shape, terms, n, logProbs[n], Math.Exp(logRatio)))
                    + (Or0(terms.KlWeights, n) == 0 ? 0 : terms.KlWeights[n] * Divergence.Estimate(shape.KlEstimator, logProbs[n], terms.ReferenceLogProbs[n]))
                    - (Or0(terms.EntropyWeights, n) * entropies[n]);
            }
        }

        return loss;
    }

    private static double Policy(LossShape shape, TokenTerms terms, int n, double logProb, double ratio)
    {
        double advantage = terms.Advantages[n];
        var term = shape.Term == PolicyTerm.LogProb
            ? -advantage * logProb
            : Math.Max(-advantage * ratio, -advantage * Math.Clamp(ratio, 1 - shape.ClipLow, 1 + shape.ClipHigh));
        return terms.PolicyCaps.Length == 0 ? term : Math.Min(term, terms.PolicyCaps[n]);
    }

    private static bool Counts(TokenTerms terms, int n) => terms.PolicyWeights[n] != 0 || Or0(terms.KlWeights, n) != 0 || Or0(terms.EntropyWeights, n) != 0;

    private static float Or0(float[] values, int n) => values.Length == 0 ? 0 : values[n];
}
