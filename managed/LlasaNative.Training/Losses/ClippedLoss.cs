namespace LlasaNative.Training;

/// <summary>The clipped policy gradient with KL and entropy terms, written as numbers per token.</summary>
/// <remarks>
/// The policy term is put together as <see cref="LossOptions.Aggregation"/> says, KL and entropy always as the mean over tokens.
/// <b>Threads:</b> any.
/// </remarks>
/// <param name="options">Clip range, coefficients, aggregation.</param>
internal sealed class ClippedLoss(LossOptions options) : ILoss
{
    public LossShape Shape { get; } = new(PolicyTerm.Ratio, options.Ratio, options.ClipLow, options.ClipHigh, options.KlEstimator);

    public TokenTerms Terms(LossBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var klCoefficient = options.KlPlacement == KlPlacement.Loss ? (float)options.KlCoefficient : 0;
        var tokens = new float[batch.Advantages.Length];   // 1 / tokens that count
        var policy = new float[tokens.Length];
        var total = batch.Lengths.Where((_, b) => batch.TakesPart[b]).Sum(length => (double)length);
        var sequences = (double)batch.TakesPart.Count(t => t);
        for (int b = 0, next = 0; b < batch.Lengths.Length; next += batch.Lengths[b++])
        {
            if (batch.TakesPart[b])
            {
                tokens.AsSpan(next, batch.Lengths[b]).Fill((float)(1 / total));
                policy.AsSpan(next, batch.Lengths[b]).Fill((float)Weight(batch.Lengths[b], total, sequences, batch.MaxTokens));
            }
        }

        for (var n = 0; n < batch.Importance.Length; n++)
        {
            policy[n] = policy[n] == 0 ? 0 : policy[n] * batch.Importance[n];
        }

        return new TokenTerms(batch.Advantages, policy)
        {
            KlWeights = Times(tokens, klCoefficient),
            EntropyWeights = Times(tokens, (float)options.EntropyCoefficient),
            OldLogProbs = batch.OldLogProbs,
            ReferenceLogProbs = batch.ReferenceLogProbs,
            PolicyCaps = options.DualClip > 0
                ? Array.ConvertAll(batch.Advantages, a => a < 0 ? -a * (float)options.DualClip : float.PositiveInfinity)
                : [],
        };
    }

    private static float[] Times(float[] values, float factor) => factor == 0 ? [] : Array.ConvertAll(values, v => v * factor);

    private double Weight(int length, double tokens, double sequences, int longest) => options.Aggregation switch
    {
        LossAggregation.TokenMean => 1 / tokens,
        LossAggregation.SequenceMean => 1 / (sequences * length),
        LossAggregation.Constant => 1 / (sequences * longest),
        _ => throw new InvalidOperationException($"Aggregation {options.Aggregation}: no such choice."),
    };
}
