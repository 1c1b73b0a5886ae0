namespace LlasaNative.Rewards;

/// <summary>The formula's reward, with its guards; less outside a band of speeds and for repeated codes, both off by default.</summary>
internal sealed class UtilityComponent : IRewardComponent
{
    public string Name => "utility";

    [Option("Slowest speech without penalty; 0: no bound.", AtLeast = 0)]
    public double MinCharactersPerSecond { get; set; }

    [Option("Fastest speech without penalty; 0: no bound.", AtLeast = 0)]
    public double MaxCharactersPerSecond { get; set; }

    [Option("Longest run of one speech code without penalty; 0: no bound.", AtLeast = 0)]
    public int MaxCodeRun { get; set; }

    public double Score(RewardInput input)
    {
        var (speed, run) = (input.Formula.CharactersPerSecond, input.Formula.LongestCodeRun);
        // In proportion to how far outside.
        var rate = MinCharactersPerSecond > 0 && speed < MinCharactersPerSecond ? speed.Value / MinCharactersPerSecond
            : MaxCharactersPerSecond > 0 && speed > MaxCharactersPerSecond ? MaxCharactersPerSecond / speed.Value : 1;
        return input.Formula.Reward * rate * (MaxCodeRun > 0 && run > MaxCodeRun ? (double)MaxCodeRun / run.Value : 1);
    }

    public IEnumerable<string> Faults() => MaxCharactersPerSecond > 0 && MaxCharactersPerSecond <= MinCharactersPerSecond
        ? ["`utility` needs `max_characters_per_second` above `min_characters_per_second`"] : [];
}
