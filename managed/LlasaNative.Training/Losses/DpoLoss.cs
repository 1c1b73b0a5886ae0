namespace LlasaNative.Training;

/// <summary>Online preference training (arXiv 2402.04792): of each group the sample with the best advantage is preferred to the one with the worst.</summary>
/// <remarks>
/// The log-probs that samples were drawn at are those of the policy while nothing has moved since: a step must be one update. Samples
/// between the two take no part, groups whose samples are all equal neither. <b>Threads:</b> any.
/// </remarks>
internal sealed class DpoLoss : ILoss
{
    [Option("dpo, ipo, dpo_norm or simpo.")]
    public PreferenceLossKind Kind { get; set; } = PreferenceLossKind.Dpo;

    [Option("How much a log-ratio is worth; losses per token want a larger one, such as 2 for simpo and 5 for dpo_norm.", Above = 0)]
    public double Beta { get; set; } = 0.1;

    [Option("simpo: reward that the chosen response must have more than the other.", AtLeast = 0)]
    public double Margin { get; set; } = 0.5;

    [Option("Share of the preferences that are taken to be the wrong way round; not of ipo.", AtLeast = 0, Below = 0.5)]
    public double LabelSmoothing { get; set; }

    [Option("Weight of the cross-entropy of the chosen responses.", AtLeast = 0)]
    public double SftWeight { get; set; }

    public bool NeedsReference => Options.NeedsReference;

    public LossShape Shape => PreferenceLoss.Shape;

    private PreferenceLossOptions Options => new() { Loss = Kind, Beta = Beta, Margin = Margin, LabelSmoothing = LabelSmoothing, SftWeight = SftWeight };

    public TokenTerms Terms(LossBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var starts = new int[batch.Lengths.Length + 1];
        for (var b = 0; b < batch.Lengths.Length; b++)
        {
            starts[b + 1] = starts[b] + batch.Lengths[b];
        }

        int[] chosen = [.. Enumerable.Range(0, batch.Lengths.Length).Chunk(batch.GroupSize).SelectMany(group => Pair(batch, starts, group))];
        var (advantages, weights) = (new float[starts[^1]], new float[starts[^1]]);
        if (chosen.Length == 0)
        {
            // Nothing is preferred: nothing pulls, but what was drawn is counted.
            for (var b = 0; b < batch.Lengths.Length; b++)
            {
                weights.AsSpan(starts[b], batch.Lengths[b]).Fill(batch.TakesPart[b] ? 1 : 0);
            }
        }
        else
        {
            float[] Of(float[] tokens) => tokens.Length == 0 ? [] : [.. chosen.SelectMany(b => tokens[starts[b]..starts[b + 1]])];
            var terms = new PreferenceLoss(Options).Of([.. chosen.Select(b => batch.Lengths[b])], Of(batch.OldLogProbs), Of(batch.ReferenceLogProbs)).Terms;
            var next = 0;
            foreach (var b in chosen)
            {
                terms.Advantages.AsSpan(next, batch.Lengths[b]).CopyTo(advantages.AsSpan(starts[b]));
                terms.PolicyWeights.AsSpan(next, batch.Lengths[b]).CopyTo(weights.AsSpan(starts[b]));
                next += batch.Lengths[b];
            }
        }

        return new TokenTerms(advantages, weights) { OldLogProbs = batch.OldLogProbs, ReferenceLogProbs = batch.ReferenceLogProbs };
    }

    /// <summary>The best and the worst of a group, in this order; nothing where they are one or equal.</summary>
    private static int[] Pair(LossBatch batch, int[] starts, int[] group)
    {
        // An advantage is the whole sample's; of equal ones the first.
        int[] ranked = [.. group.Where(b => batch.TakesPart[b] && batch.Lengths[b] > 0).OrderByDescending(b => batch.Advantages[starts[b]])];
        return ranked.Length > 1 && batch.Advantages[starts[ranked[0]]] > batch.Advantages[starts[ranked[^1]]] ? [ranked[0], ranked[^1]] : [];
    }
}
