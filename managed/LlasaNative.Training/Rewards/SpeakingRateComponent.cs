namespace LlasaNative.Rewards;

/// <summary>0 while speech is as fast as it should be, down to -1 outside: keeps a policy from hurrying, which CER and NLL do not notice.</summary>
internal sealed class SpeakingRateComponent : IRewardComponent
{
    public string Name => "speaking_rate";

    public bool NeedsProsody => true;

    /// <summary>Characters per second from the first sound to the last that are slow enough.</summary>
    [Option("Slowest speech in the band.", AtLeast = 0, AtMost = 1000, Unit = "characters per second")]
    public double Low { get; set; }

    [Option("Fastest speech in the band.", AtLeast = 0, AtMost = 1000, Unit = "characters per second")]
    public double High { get; set; }

    public double Score(RewardInput input) =>
        new Band(Low, High).Score(input.RequireProsody(Name).Rate(CharacterErrorRate.Length(input.Formula.ComparedReference)));

    public IEnumerable<string> Faults() => new Band(Low, High).Faults(Name, "low", "high");
}
