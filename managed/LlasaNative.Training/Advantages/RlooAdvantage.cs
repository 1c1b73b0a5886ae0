namespace LlasaNative.Training;

/// <summary>RLOO, arXiv 2402.14740: r - mean of the others of the group.</summary>
internal sealed class RlooAdvantage : IAdvantage
{
    public Advantages Compute(AdvantageBatch batch) => new(batch.WithinGroups(batch.ChargedRewards(), GroupBaseline.MeanOfOthers));

    public IEnumerable<string> Faults(LossOptions loss, RolloutOptions rollout) =>
        rollout.SamplesPerPrompt >= 2 ? [] : ["`loss.advantage` rloo needs `rollout.samples_per_prompt` of at least 2"];
}
