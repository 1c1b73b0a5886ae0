namespace LlasaNative.Training;

/// <summary>GRPO, arXiv 2402.03300: (r - mean) / (deviation + epsilon) of the group.</summary>
internal sealed class GrpoAdvantage : IAdvantage
{
    [Option("Added to the deviation.", AtLeast = 0)]
    public double Epsilon { get; set; } = 1e-6;

    public Advantages Compute(AdvantageBatch batch) => new(batch.WithinGroups(batch.ChargedRewards(), GroupBaseline.StandardScore, Epsilon));
}
