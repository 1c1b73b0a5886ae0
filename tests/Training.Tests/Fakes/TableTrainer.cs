namespace LlasaNative.Training.Tests.Fakes;

/// <summary>
/// The gradient of a table, written as papers do: d loss / d log-prob of each token, then of the softmax. The optimiser is heavy-ball
/// momentum, so that there is a state to save.
/// </summary>
internal sealed class TableTrainer(TablePolicy policy, IWorld? world = null) : IPolicyTrainer
{
    private readonly double[] _gradient = new double[4];
    private readonly double[] _momentum = new double[4];

    /// <summary>What was accumulated, in order.</summary>
    public List<(int[] Tokens, TokenTerms Terms, LossShape Shape)> Accumulated { get; } = [];

    /// <summary>Gradient of the last update.</summary>
    public double[] LastGradient { get; private set; } = [];

    /// <summary>Makes the next gradient infinite.</summary>
    public bool Explode { get; set; }

    public long StepCount { get; set; }

    public LossStats Accumulate(PackedSequences sequences, HeadSettings head, TokenTerms terms, LossShape shape, CancellationToken cancellation)
    {
        policy.Calls.Add("accumulate");
        int[] tokens = [.. TablePolicy.Responses(sequences)];
        Accumulated.Add((tokens, terms, shape));
        var logProbs = policy.Log(head.Temperature);
        var lengths = Enumerable.Range(0, sequences.Count)
            .Select(b => (int)(sequences.Offsets[b + 1] - sequences.Offsets[b] - sequences.PromptLengths[b])).ToArray();
        double loss = 0, count = 0, ratios = 0, gap = 0;
        for (int b = 0, first = 0; b < lengths.Length; first += lengths[b++])
        {
            int[] counting = [.. Enumerable.Range(first, lengths[b]).Where(n => terms.PolicyWeights[n] != 0 || Or0(terms.KlWeights, n) != 0)];
            foreach (var n in counting)
            {
                var (token, advantage) = (tokens[n], (double)terms.Advantages[n]);
                double Difference(int m) => terms.OldLogProbs.Length == 0 ? 0 : logProbs[tokens[m]] - terms.OldLogProbs[m];
                var ratio = Math.Exp(shape.Ratio == RatioLevel.Sequence ? counting.Average(Difference) : Difference(n));
                var clipped = Math.Clamp(ratio, 1 - shape.ClipLow, 1 + shape.ClipHigh);
                var isClipped = -advantage * ratio < -advantage * clipped;
                var term = shape.Term == PolicyTerm.LogProb ? -advantage * logProbs[token] : Math.Max(-advantage * ratio, -advantage * clipped);
                var slope = shape.Term == PolicyTerm.LogProb ? -advantage : isClipped ? 0 : -advantage * ratio;
                loss += terms.PolicyWeights[n] * term;
                // A sequence's ratio is the geometric mean: each of its tokens moves it by 1 / their number.
                foreach (var m in shape.Ratio == RatioLevel.Sequence && shape.Term == PolicyTerm.Ratio ? counting : [n])
                {
                    AddSlope(logProbs, tokens[m], terms.PolicyWeights[n] * slope / (shape.Ratio == RatioLevel.Sequence && shape.Term == PolicyTerm.Ratio ? counting.Length : 1), head.Temperature);
                }

                if (Or0(terms.KlWeights, n) != 0)
                {
                    var k = terms.ReferenceLogProbs[n] - logProbs[token];
                    loss += terms.KlWeights[n] * (Math.Exp(k) - k - 1);   // k3
                    AddSlope(logProbs, token, terms.KlWeights[n] * (1 - Math.Exp(k)), head.Temperature);
                }

                (count, ratios, gap) = (count + 1, ratios + ratio, Math.Max(gap, Math.Abs(Difference(n))));
            }
        }

        return new LossStats { Loss = loss, PolicyLoss = loss, Tokens = count, RatioSum = ratios, LogProbGapMax = gap, ComputedTokens = tokens.Length };
    }

    public LossStats Reduce(LossStats stats)
    {
        if (world is null)
        {
            return stats;
        }

        double[][] all = [.. world.Join([.. _gradient, stats.Loss, stats.Tokens, stats.RatioSum, stats.LogProbGapMax, stats.ComputedTokens]).Chunk(9)];
        for (var i = 0; i < 4; i++)
        {
            _gradient[i] = all.Sum(a => a[i]);
        }

        double Sum(int i) => all.Sum(a => a[i]);
        return new LossStats { Loss = Sum(4), PolicyLoss = Sum(4), Tokens = Sum(5), RatioSum = Sum(6), LogProbGapMax = all.Max(a => a[7]), ComputedTokens = Sum(8) };
    }

    public UpdateStats Apply(double rate)
    {
        policy.Calls.Add("apply");
        LastGradient = [.. _gradient];
        var norm = Math.Sqrt(_gradient.Sum(g => g * g));
        var skipped = Explode;
        for (var i = 0; i < 4; i++)
        {
            if (!skipped)
            {
                _momentum[i] = (float)((0.5 * _momentum[i]) + _gradient[i]);
                policy.Logits[i] = (float)(policy.Logits[i] - (rate * _momentum[i]));
            }

            _gradient[i] = 0;
        }

        StepCount += skipped ? 0 : 1;
        return new UpdateStats(norm, 1, skipped);
    }

    public void ReadState(OptimiserState kind, string name, Span<float> values)
    {
        for (var i = 0; i < 4; i++)
        {
            values[i] = (float)_momentum[i];
        }
    }

    public void WriteState(OptimiserState kind, string name, ReadOnlySpan<float> values)
    {
        for (var i = 0; i < 4; i++)
        {
            _momentum[i] = values[i];
        }
    }

    public void Dispose() => policy.Calls.Add("dispose trainer");

    private static double Or0(float[] values, int n) => values.Length == 0 ? 0 : values[n];

    private void AddSlope(double[] logProbs, int token, double slope, double temperature)
    {
        for (var i = 0; i < 4; i++)
        {
            _gradient[i] += slope * ((i == token ? 1 : 0) - Math.Exp(logProbs[i])) / temperature;
        }
    }
}
