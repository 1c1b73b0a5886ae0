namespace LlasaNative.Training;

/// <summary>How one sample was judged.</summary>
/// <param name="Breakdown">The reward and everything it was made of.</param>
/// <param name="Edits">Character edits between text and transcript, as compared.</param>
/// <param name="Characters">Characters of the text.</param>
/// <param name="WordEdits">Word edits between text and transcript.</param>
/// <param name="Words">Words of the text.</param>
/// <param name="Ended">Whether it ended by itself.</param>
/// <param name="NoSpeechProb">The recogniser's probability that there is no speech.</param>
public sealed record Judgement(
    RewardBreakdown Breakdown, int Edits, int Characters, int WordEdits, int Words, bool Ended, double NoSpeechProb)
{
    /// <summary>Whether it is longer than the recogniser's window, which alone the NLL is of.</summary>
    public bool BeyondWindow { get; init; }

    /// <summary>Whether its transcript was ended before the recogniser ended it.</summary>
    public bool EndedEarly { get; init; }

    /// <summary>0 to 1.</summary>
    public double Reward => Breakdown.Reward;

    /// <summary>Character error rate of this sample; can exceed 1.</summary>
    public double Cer => Breakdown.Cer;

    /// <summary>Mean negative log-likelihood of the text.</summary>
    public double Nll => Breakdown.Nll;

    /// <summary>Whether somebody could listen to it; otherwise every number is meaningless and it is masked.</summary>
    public bool Scored => Breakdown.Reason != RewardReason.NotScored;

    /// <summary>Whether it takes no part in training.</summary>
    public bool Masked => Breakdown.Masked;

    /// <summary>Why the reward is not simply the formula's; empty when it is.</summary>
    public string Guard => Breakdown.Reason == RewardReason.None ? "" : OptionNames.Of(Breakdown.Reason);
}
