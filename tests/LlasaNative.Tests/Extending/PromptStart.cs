using LlasaNative.Configuration;
using LlasaNative.Rewards;

namespace Mine;

/// <summary>1 when the sound begins at once, falling to 0 over a tolerance.</summary>
public sealed class PromptStart : IRewardComponent
{
    public string Name => "prompt_start";

    public bool NeedsProsody => true;

    [Option("Silence in front that is still worth something.", AtLeast = 0.01, AtMost = 10, Unit = "seconds")]
    public double Tolerance { get; set; } = 0.5;

    public double Score(RewardInput input) => Math.Max(0, 1 - (input.Sample.Prosody!.Activity.Start / Tolerance));
}
