namespace LlasaNative.Training;

/// <summary>
/// GDPO, arXiv 2601.05242: each part of the reward is normalised within its group by itself, then weighted and summed, so that a
/// part with a small spread is not drowned by one with a large; the sums are whitened over the step's samples.
/// </summary>
internal sealed class GdpoAdvantage : IAdvantage
{
    [Option("Added to each deviation.", AtLeast = 0)]
    public double Epsilon { get; set; } = 1e-6;

    [Option("Whiten the sums, whose size else grows with the number of parts.")]
    public bool Whiten { get; set; } = true;

    public IReadOnlyList<double> Signals(double reward, IReadOnlyList<RewardPart> parts) => [.. parts.Select(p => p.Value)];

    public Advantages Compute(AdvantageBatch batch)
    {
        var sums = new double[batch.Rewards.Length];
        var first = Array.IndexOf(batch.TakesPart, true);
        for (var k = 0; first >= 0 && k < batch.Parts[first].Count; k++)
        {
            var values = new double[sums.Length];
            for (var b = 0; b < sums.Length; b++)
            {
                values[b] = batch.TakesPart[b] ? batch.Parts[b][k].Value : 0;
            }

            var normalised = batch.WithinGroups(values, GroupBaseline.StandardScore, Epsilon);
            for (var b = 0; b < sums.Length; b++)
            {
                sums[b] += batch.Parts[first][k].Weight * normalised[b];
            }
        }

        return new Advantages(Array.ConvertAll(Whiten ? Whitened(sums, batch.TakesPart) : sums, s => (float)s));
    }

    public IEnumerable<string> Faults(LossOptions loss, RolloutOptions rollout)
    {
        if (rollout.SamplesPerPrompt < 2)
        {
            yield return "`loss.advantage` gdpo needs `rollout.samples_per_prompt` of at least 2";
        }

        if (loss is { KlPlacement: KlPlacement.Reward, KlCoefficient: > 0 })
        {
            yield return "`loss.kl_placement` reward contradicts `loss.advantage` gdpo, which normalises each part of the reward by itself: charge the divergence in the loss";
        }
    }

    private double[] Whitened(double[] values, bool[] takesPart)
    {
        double[] counted = [.. values.Where((_, b) => takesPart[b])];
        var (mean, deviation) = (counted.Average(), counted.Deviation());
        return [.. values.Select((v, b) => takesPart[b] ? (v - mean) / (deviation + Epsilon) : 0)];
    }
}
