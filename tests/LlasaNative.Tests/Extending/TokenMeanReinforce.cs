using LlasaNative.Training;

namespace Mine;

/// <summary>REINFORCE with the mean over tokens, whatever <c>loss.aggregation</c> says.</summary>
public sealed class TokenMeanReinforce : ILoss
{
    public LossShape Shape { get; } = new(PolicyTerm.LogProb);

    public TokenTerms Terms(LossBatch batch)
    {
        var weights = new float[batch.Advantages.Length];
        var total = batch.Lengths.Where((_, b) => batch.TakesPart[b]).Sum();
        for (int b = 0, next = 0; b < batch.Lengths.Length; next += batch.Lengths[b++])
        {
            weights.AsSpan(next, batch.Lengths[b]).Fill(batch.TakesPart[b] ? 1f / total : 0);
        }

        return new TokenTerms(batch.Advantages, weights);
    }
}
