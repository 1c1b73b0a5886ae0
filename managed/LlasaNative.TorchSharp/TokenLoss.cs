namespace LlasaNative.Torch;

/// <summary>The loss of a few response tokens as a differentiable sum, and its statistics.</summary>
/// <remarks>
/// The same formulas as the native engine's (arXiv 2402.03300; clip-higher 2503.14476; dual clip 1912.09729), left to autograd.
/// Log-ratios are clamped to ±20 before exp and k3 to 10, as verl does.
/// </remarks>
internal sealed class TokenLoss : IDisposable
{
    private readonly NativeLossOptions _options;
    private readonly Tensor _advantages, _policyWeights, _counts;
    private readonly Tensor? _klWeights, _entropyWeights, _old, _reference, _caps;
    private Tensor? _ratioLogProbs;

    /// <param name="options">What the policy term and the KL term are of.</param>
    /// <param name="terms">Numbers of all scored tokens.</param>
    /// <param name="first">First scored token of the slice.</param>
    /// <param name="count">Tokens of the slice.</param>
    public TokenLoss(in NativeLossOptions options, NativeTokenTerms terms, int first, int count)
    {
        _options = options;
        var counts = new bool[count];
        for (var n = 0; n < count; n++)
        {
            counts[n] = terms.PolicyWeights[first + n] != 0 || (!terms.KlWeights.IsEmpty && terms.KlWeights[first + n] != 0)
                || (!terms.EntropyWeights.IsEmpty && terms.EntropyWeights[first + n] != 0);
        }

        // What does not count may be anything, NaN included, and 0 times NaN is NaN.
        Tensor? Slice(ReadOnlySpan<float> values)
        {
            if (values.IsEmpty)
            {
                return null;
            }

            var slice = values.Slice(first, count).ToArray();
            for (var n = 0; n < count; n++)
            {
                slice[n] = counts[n] ? slice[n] : 0;
            }

            return tensor(slice);
        }

        _advantages = Slice(terms.Advantages)!;
        _policyWeights = Slice(terms.PolicyWeights)!;
        _klWeights = Slice(terms.KlWeights);
        _entropyWeights = Slice(terms.EntropyWeights);
        _old = Slice(terms.OldLogProbs);
        _reference = Slice(terms.RefLogProbs);
        _caps = Slice(terms.PolicyCaps);
        _counts = tensor(counts);
    }

    /// <summary>Whether the log-probs of all tokens must be known before the loss of any.</summary>
    public bool NeedsAllLogProbs => _old is not null && _options.PolicyTerm == NativePolicyTerm.Ratio && _options.Ratio == NativeRatioLevel.Sequence;

    /// <summary>Log-probs that give every token of a sequence its sequence's ratio: logp - mean of (logp - old) over the tokens that count.</summary>
    /// <param name="logProbs">[N] current log-probs of the slice.</param>
    /// <param name="lengths">Scored tokens of each sequence of the slice.</param>
    public void TakeSequenceRatios(Tensor logProbs, IReadOnlyList<int> lengths)
    {
        using var scope = NewDisposeScope();
        using var gradient = no_grad();
        List<Tensor> parts = [];
        var first = 0L;
        foreach (var length in lengths)
        {
            var counts = _counts.narrow(0, first, length).to(float64);
            var current = logProbs.narrow(0, first, length).to(float64);
            var gap = (current - _old!.narrow(0, first, length)) * counts;
            parts.Add((current - (gap.sum() / counts.sum().clamp(min: 1))).to(float32));
            first += length;
        }

        _ratioLogProbs = cat(parts, 0).DetachFromDisposeScope();
    }

    /// <summary>The loss of tokens [from, from + n) of the slice, and adds what they say to the statistics.</summary>
    /// <param name="logProbs">[n] current log-probs.</param>
    /// <param name="entropies">[n].</param>
    /// <param name="from">First of them.</param>
    /// <param name="stats">Added to.</param>
    public Tensor Of(Tensor logProbs, Tensor entropies, long from, ref NativeLossStats stats)
    {
        var n = logProbs.shape[0];
        Tensor Part(Tensor values) => values.narrow(0, from, n);
        var counts = Part(_counts);
        // With no old log-probs every ratio is 1, and its slope is that of the log-prob.
        var old = _old is null ? logProbs.detach() : Part(_old);
        var denominator = _ratioLogProbs is null ? old : Part(_ratioLogProbs);
        var advantages = Part(_advantages);
        var ratio = exp((logProbs - denominator).clamp(-20, 20));
        Tensor policy, clipped;
        if (_options.PolicyTerm == NativePolicyTerm.LogProb)
        {
            policy = -advantages * logProbs;
            clipped = zeros_like(counts);
        }
        else
        {
            var plain = -advantages * ratio;
            var bounded = -advantages * ratio.clamp(1 - _options.ClipLow, 1 + _options.ClipHigh);
            policy = maximum(plain, bounded);
            clipped = bounded.gt(plain);
        }

        var capped = zeros_like(counts);
        if (_caps is not null)
        {
            capped = policy.gt(Part(_caps));
            policy = minimum(policy, Part(_caps));
        }

        var weighted = policy * Part(_policyWeights);
        var loss = weighted;
        var kl = _reference is null ? zeros_like(logProbs) : Kl(logProbs, Part(_reference));
        if (_klWeights is not null)
        {
            loss = loss + (kl * Part(_klWeights));
        }

        if (_entropyWeights is not null)
        {
            loss = loss - (entropies * Part(_entropyWeights));
        }

        loss = where(counts, loss, zeros_like(loss));
        Add(ref stats, counts, loss, weighted, kl, entropies, ratio, clipped, capped, old - logProbs);
        return loss.sum();
    }

    public void Dispose()
    {
        foreach (var values in new[] { _advantages, _policyWeights, _counts, _klWeights, _entropyWeights, _old, _reference, _caps, _ratioLogProbs })
        {
            values?.Dispose();
        }
    }

    private Tensor Kl(Tensor logProbs, Tensor reference)
    {
        var difference = reference - logProbs;
        switch (_options.KlEstimator)
        {
            case NativeKlEstimator.K1:
                return -difference;
            case NativeKlEstimator.K2:
                return difference * difference * 0.5;
            case NativeKlEstimator.K3:
                var bounded = difference.clamp(-20, 20);
                return (exp(bounded) - bounded - 1).clamp(max: 10);
            default:
                throw new InvalidOperationException($"KL estimator {_options.KlEstimator}: the TorchSharp engine knows none of that number.");
        }
    }

    private static void Add(
        ref NativeLossStats stats, Tensor counts, Tensor loss, Tensor weighted, Tensor kl, Tensor entropies, Tensor ratio, Tensor clipped, Tensor capped, Tensor gap)
    {
        using var gradient = no_grad();
        var width = counts.to(float64);
        double Sum(Tensor values) => where(counts, values.to(float64), zeros_like(width)).sum().item<double>();
        stats.Loss += Sum(loss);
        stats.PolicyLoss += Sum(weighted);
        stats.Tokens += width.sum().item<double>();
        stats.KlSum += Sum(kl);
        stats.EntropySum += Sum(entropies);
        stats.RatioSum += Sum(ratio);
        stats.ApproxKlSum += Sum(gap);
        stats.ClippedLow += Sum(clipped.logical_and(ratio.lt(1)));
        stats.ClippedHigh += Sum(clipped.logical_and(ratio.gt(1)));
        stats.Capped += Sum(capped);
        stats.LogProbGapSum += Sum(gap.abs());
        stats.LogProbGapMax = Math.Max(stats.LogProbGapMax, where(counts, gap.abs(), zeros_like(gap)).max().item<float>());
    }
}
