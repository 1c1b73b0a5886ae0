namespace LlasaNative.Training;

/// <summary>REINFORCE++ with a baseline: the same, of what each reward is more than the mean of its group.</summary>
internal sealed class ReinforcePlusPlusBaselineAdvantage : IAdvantage
{
    public Advantages Compute(AdvantageBatch batch)
    {
        var final = (double[])batch.Rewards.Clone();
        for (var first = 0; first < final.Length; first += batch.GroupSize)
        {
            int[] counted = [.. Enumerable.Range(first, batch.GroupSize).Where(i => batch.TakesPart[i])];
            var mean = counted.Length == 0 ? 0 : counted.Sum(i => batch.Rewards[i]) / counted.Length;
            for (var i = first; i < first + batch.GroupSize; i++)
            {
                final[i] -= mean;
            }
        }

        return ReinforcePlusPlusAdvantage.Whitened(batch, final);
    }

    public IEnumerable<string> Faults(LossOptions loss, RolloutOptions rollout) =>
    [
        .. rollout.SamplesPerPrompt >= 2 ? Array.Empty<string>() : ["`loss.advantage` reinforce_plus_plus_baseline needs `rollout.samples_per_prompt` of at least 2"],
        .. ReinforcePlusPlusAdvantage.PerTokenFaults(loss, "reinforce_plus_plus_baseline"),
    ];
}
