namespace LlasaNative.Rewards;

/// <summary>A reward and everything it was made of.</summary>
/// <param name="Reward">The reward: 0 to 1 of the formula, any number of weighted components.</param>
/// <param name="Cer">Character error rate, of the normalised texts in guarded mode.</param>
/// <param name="Nll">Mean negative log-likelihood in nats per token.</param>
/// <param name="CerUtility">U_CER, 0 to 1.</param>
/// <param name="NllUtility">U_NLL, 0 to 1.</param>
/// <param name="ComparedReference">The reference as it was compared.</param>
/// <param name="ComparedTranscript">The transcript as it was compared.</param>
/// <param name="Masked">Whether the sample is to be left out of its group and of the loss.</param>
/// <param name="Reason">Why the reward is not simply the formula's.</param>
/// <param name="CharactersPerSecond">Characters of the reference per second; null when the length is unknown or 0.</param>
/// <param name="LongestCodeRun">Longest run of one speech code; null when the codes are unknown.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record RewardBreakdown(
    double Reward, double Cer, double Nll, double CerUtility, double NllUtility, string ComparedReference, string ComparedTranscript,
    bool Masked = false, RewardReason Reason = RewardReason.None, double? CharactersPerSecond = null, int? LongestCodeRun = null)
{
    /// <summary>What each component contributed; empty for the formula alone.</summary>
    public IReadOnlyList<RewardPart> Parts { get; init; } = [];
}
