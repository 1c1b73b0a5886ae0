namespace LlasaNative.Training;

/// <summary>Makes pairs of samples: by a rule, or at random for people to judge.</summary>
/// <remarks>What it makes follows from the samples in their order, the options and the seed. <b>Threads:</b> any.</remarks>
public static class Pairing
{
    /// <summary>The pairs of some samples; texts come in the order in which they are first seen.</summary>
    /// <param name="samples">Samples of any texts; those of one text and voice need not stand together.</param>
    /// <param name="options">Which pairs.</param>
    public static IReadOnlyList<SpeechPair> Make(IEnumerable<SampledSpeech> samples, PairingOptions options)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(options);
        List<SpeechPair> pairs = [];
        foreach (var (index, group) in samples.GroupBy(s => (s.Text, s.Voice)).Index())
        {
            // A pair of equal codes says nothing: neither is the better.
            SampledSpeech[] different = [.. group.DistinctBy(s => string.Join(',', s.Codes))];
            pairs.AddRange(options.Rule == PairRule.Random ? Draw(different, options, (ulong)index) : Choose(different, options));
        }

        return pairs;
    }

    /// <summary>How good a sample is by a rule, the larger the better; NaN where it takes no part.</summary>
    /// <param name="sample">The sample.</param>
    /// <param name="options">Which rule, and what is wanted.</param>
    public static double Score(SampledSpeech sample, PairingOptions options)
    {
        ArgumentNullException.ThrowIfNull(sample);
        ArgumentNullException.ThrowIfNull(options);
        return options.Rule switch
        {
            PairRule.Reward => sample.Reward,
            PairRule.Cer => -sample.Cer,
            PairRule.Lively => sample is { Cer: 0, Ended: true, F0Semitones: > 0, Rate: > 0 }
                ? -(Math.Abs(Math.Log(sample.F0Semitones / options.Semitones)) + Math.Abs(Math.Log(sample.Rate / options.Rate))) : double.NaN,
            PairRule.Random => 0,
            _ => throw new InvalidOperationException($"Rule {options.Rule}: no such rule."),
        };
    }

    private static List<SpeechPair> Choose(SampledSpeech[] group, PairingOptions options)
    {
        // Equal ones stay in their order.
        List<(SampledSpeech Sample, double Score)> ranked = [.. group.Select(s => (s, Score(s, options))).Where(s => !double.IsNaN(s.Item2)).OrderByDescending(s => s.Item2)];
        List<SpeechPair> pairs = [];
        while (pairs.Count < options.PerText && Widest(ranked, options) is (var best, var worst))
        {
            pairs.Add(new SpeechPair(ranked[best].Sample, ranked[worst].Sample, true));
            ranked.RemoveAt(worst);
            ranked.RemoveAt(best);
        }

        return pairs;
    }

    /// <summary>Places of the two that differ the most among those that may be a pair.</summary>
    private static (int Best, int Worst)? Widest(List<(SampledSpeech Sample, double Score)> ranked, PairingOptions options)
    {
        (int, int)? found = null;
        var widest = double.NegativeInfinity;
        for (var best = 0; best < ranked.Count; best++)
        {
            for (var worst = ranked.Count - 1; worst > best; worst--)
            {
                var difference = ranked[best].Score - ranked[worst].Score;
                if (difference > 0 && difference >= options.Margin && difference > widest && MayMeet(ranked[best].Sample, ranked[worst].Sample, options))
                {
                    (found, widest) = ((best, worst), difference);
                }
            }
        }

        return found;
    }

    private static List<SpeechPair> Draw(SampledSpeech[] group, PairingOptions options, ulong text)
    {
        List<SpeechPair> pairs = [];
        List<SampledSpeech> left = [.. Philox.Permutation(options.Seed, text, group.Length).Select(i => group[i])];
        while (pairs.Count < options.PerText && left.Count > 1)
        {
            var first = left[0];
            var second = left.Skip(1).FirstOrDefault(other => MayMeet(first, other, options));
            left.Remove(first);
            if (second is not null)
            {
                left.Remove(second);
                pairs.Add(new SpeechPair(first, second, false));
            }
        }

        return pairs;
    }

    private static bool MayMeet(SampledSpeech a, SampledSpeech b, PairingOptions options)
    {
        var (shorter, longer) = (Math.Min(a.Codes.Count, b.Codes.Count), Math.Max(a.Codes.Count, b.Codes.Count));
        return shorter > 0 && (options.LengthBand == 0 || longer <= options.LengthBand * shorter) && (!options.Across || a.Policy != b.Policy);
    }
}
