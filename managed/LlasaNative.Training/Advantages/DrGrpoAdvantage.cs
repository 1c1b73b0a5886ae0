namespace LlasaNative.Training;

/// <summary>Dr.GRPO, arXiv 2503.20783: r - mean of the group.</summary>
internal sealed class DrGrpoAdvantage : IAdvantage
{
    public Advantages Compute(AdvantageBatch batch) => new(batch.WithinGroups(batch.ChargedRewards(), GroupBaseline.Mean));
}
