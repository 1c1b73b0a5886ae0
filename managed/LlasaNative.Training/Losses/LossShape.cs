namespace LlasaNative.Training;

/// <summary>What cannot be written as a number per token, because it needs the current log-probs.</summary>
/// <param name="Term">What the policy term is of.</param>
/// <param name="Ratio">What its ratios are of.</param>
/// <param name="ClipLow">Ratios are clipped below 1 minus this.</param>
/// <param name="ClipHigh">Ratios are clipped above 1 plus this.</param>
/// <param name="KlEstimator">How the KL term is estimated.</param>
public sealed record LossShape(PolicyTerm Term, RatioLevel Ratio = RatioLevel.Token, double ClipLow = 0.2, double ClipHigh = 0.2, KlEstimator KlEstimator = KlEstimator.K3);
