namespace LlasaNative.Rewards;

/// <summary>
/// 0 while pitch moves and pauses are made as much as they should, down to -1 outside, the mean of the two: keeps a policy from
/// flattening its voice, which CER and NLL do not notice.
/// </summary>
internal sealed class ProsodyComponent : IRewardComponent
{
    public string Name => "prosody";

    public bool NeedsProsody => true;

    [Option("Least standard deviation of the pitch in the band.", AtLeast = 0, AtMost = 100, Unit = "semitones")]
    public double PitchLow { get; set; }

    [Option("Largest standard deviation of the pitch in the band.", AtLeast = 0, AtMost = 100, Unit = "semitones")]
    public double PitchHigh { get; set; }

    [Option("Least share of pauses in the band.", AtLeast = 0, AtMost = 1)]
    public double PauseLow { get; set; }

    /// <summary>Largest share of pauses; 1 = pauses do not matter.</summary>
    [Option("Largest share of pauses in the band.", AtLeast = 0, AtMost = 1)]
    public double PauseHigh { get; set; } = 1;

    public double Score(RewardInput input)
    {
        var prosody = input.RequireProsody(Name);
        var pitch = new Band(PitchLow, PitchHigh).Score(prosody.F0Semitones);
        return (PauseLow, PauseHigh) is (0, 1) ? pitch : (pitch + new Band(PauseLow, PauseHigh).Score(prosody.Activity.PauseShare)) / 2;
    }

    public IEnumerable<string> Faults() =>
        [.. new Band(PitchLow, PitchHigh).Faults(Name, "pitch_low", "pitch_high"), .. new Band(PauseLow, PauseHigh).Faults(Name, "pause_low", "pause_high")];
}
