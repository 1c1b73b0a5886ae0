namespace LlasaNative.Training;

/// <summary>
/// REINFORCE++, arXiv 2501.03262: the return of a token is what its sample still earns, whitened over every token that counts.
/// </summary>
internal sealed class ReinforcePlusPlusAdvantage : IAdvantage
{
    /// <summary>Added to the variance of returns, as verl does.</summary>
    private const double Epsilon = 1e-8;

    public bool ComparesGroups => false;

    public Advantages Compute(AdvantageBatch batch) => Whitened(batch, batch.Rewards);

    public IEnumerable<string> Faults(LossOptions loss, RolloutOptions rollout) => PerTokenFaults(loss, "reinforce_plus_plus");

    /// <summary>Charges fall on tokens, which a ratio of whole sequences cannot tell apart.</summary>
    internal static IEnumerable<string> PerTokenFaults(LossOptions loss, string name) =>
        loss is { Ratio: RatioLevel.Sequence, KlPlacement: KlPlacement.Reward, KlCoefficient: > 0 }
            ? [$"`loss.ratio` sequence contradicts per-token rewards (`loss.advantage` {name} with `loss.kl_placement` reward)"]
            : [];

    /// <summary>Whitened returns.</summary>
    /// <param name="batch">The samples.</param>
    /// <param name="final">[B] what each earns at its end.</param>
    internal static Advantages Whitened(AdvantageBatch batch, double[] final)
    {
        var (lengths, takesPart) = (batch.Lengths, batch.TakesPart);
        var returns = new double[lengths.Sum()];
        double sum = 0, squares = 0;
        long count = 0;
        for (int b = 0, next = 0; b < final.Length; next += lengths[b++])
        {
            var rest = final[b];
            for (var t = next + lengths[b] - 1; t >= next; t--)
            {
                rest -= batch.Charges.Length == 0 ? 0 : batch.Charges[t];
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

        var scale = 1 / Math.Sqrt((squares / Math.Max(count - 1, 1)) + Epsilon);
        var (tokens, sequences) = (new float[returns.Length], new float[final.Length]);
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
}
