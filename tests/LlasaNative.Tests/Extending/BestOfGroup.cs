using LlasaNative.Configuration;
using LlasaNative.Training;

namespace Mine;

/// <summary>1 for the best sample of a group, the penalty for all others: learn from the winner alone.</summary>
public sealed class BestOfGroup : IAdvantage
{
    [Option("Taken from those that are not the best.", AtLeast = 0)]
    public double Penalty { get; set; }

    public Advantages Compute(AdvantageBatch batch)
    {
        var rewards = batch.ChargedRewards();
        var advantages = new float[rewards.Length];
        foreach (var group in Enumerable.Range(0, rewards.Length).Where(i => batch.TakesPart[i]).GroupBy(i => i / batch.GroupSize))
        {
            var best = group.MaxBy(i => rewards[i]);
            foreach (var i in group)
            {
                advantages[i] = i == best ? 1 : -(float)Penalty;
            }
        }

        return new Advantages(advantages);
    }
}
