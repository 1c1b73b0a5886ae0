namespace LlasaNative.Training;

/// <summary>Where the KL divergence from the starting policy is charged.</summary>
public enum KlPlacement
{
    /// <summary>As a term of the loss, from the current log-probs.</summary>
    Loss,

    /// <summary>Subtracted from the reward, from the log-probs the tokens were drawn at.</summary>
    Reward,
}
