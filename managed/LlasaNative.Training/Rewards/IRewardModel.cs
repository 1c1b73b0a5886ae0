namespace LlasaNative.Rewards;

/// <summary>Judges generated samples.</summary>
public interface IRewardModel
{
    /// <summary>Judges one sample.</summary>
    /// <param name="sample">What is known about it.</param>
    RewardBreakdown Score(SpeechSample sample);
}
