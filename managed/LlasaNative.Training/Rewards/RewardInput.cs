namespace LlasaNative.Rewards;

/// <summary>What a reward component is given.</summary>
/// <param name="Sample">The sample; its sound is there for components of your own.</param>
/// <param name="Formula">The project's reward of it, with CER, utilities and guards.</param>
/// <param name="MaxTokens">Longest response a sample could have had, in tokens; 0 when unknown.</param>
public sealed record RewardInput(SpeechSample Sample, RewardBreakdown Formula, int MaxTokens)
{
    /// <summary>How the sample is said.</summary>
    /// <param name="component">Who asks.</param>
    /// <exception cref="InvalidOperationException">Nobody measured it.</exception>
    internal Prosody RequireProsody(string component) =>
        Sample.Prosody ?? throw new InvalidOperationException($"Reward component {component}: the prosody of the sample was not measured.");
}
