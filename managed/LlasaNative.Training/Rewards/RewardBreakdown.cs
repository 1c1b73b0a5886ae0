namespace LlasaNative.Rewards;

/// <summary>A reward and everything it was made of.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record RewardBreakdown
{
    /// <summary>The reward: 0 to 1 of the formula, any number of weighted components.</summary>
    public required double Reward { get; init; }

    /// <summary>Whether the sample is to be left out of its group and of the loss.</summary>
    public bool Masked { get; init; }

    /// <summary>Why the reward is not simply the formula's.</summary>
    public RewardReason Reason { get; init; }

    /// <summary>What each component contributed; empty for the formula alone.</summary>
    public IReadOnlyList<RewardPart> Parts { get; init; } = [];

    /// <summary>Character error rate, of the normalised texts in guarded mode.</summary>
    public required double Cer { get; init; }

    /// <summary>Mean negative log-likelihood in nats per token.</summary>
    public required double Nll { get; init; }

    /// <summary>U_CER, 0 to 1.</summary>
    public required double CerUtility { get; init; }

    /// <summary>U_NLL, 0 to 1.</summary>
    public required double NllUtility { get; init; }

    /// <summary>Characters of the reference per second; null when the length is unknown or 0.</summary>
    public double? CharactersPerSecond { get; init; }

    /// <summary>Longest run of one speech code; null when the codes are unknown.</summary>
    public int? LongestCodeRun { get; init; }

    /// <summary>The reference as it was compared.</summary>
    public required string ComparedReference { get; init; }

    /// <summary>The transcript as it was compared.</summary>
    public required string ComparedTranscript { get; init; }
}
