namespace LlasaNative.Training;

/// <summary>The plain policy gradient: minus advantage times log-prob, without ratio, clip or bound, weighed as the clipped one.</summary>
/// <remarks>While nothing has moved since the samples were drawn, its gradient is the clipped loss's. <b>Threads:</b> any.</remarks>
/// <param name="options">Coefficients, aggregation.</param>
internal sealed class ReinforceLoss(LossOptions options) : ILoss
{
    private readonly ClippedLoss _weights = new(options with { DualClip = 0 });

    public LossShape Shape { get; } = new(PolicyTerm.LogProb, KlEstimator: options.KlEstimator);

    public TokenTerms Terms(LossBatch batch) => _weights.Terms(batch);
}
