namespace LlasaNative.Judging;

/// <summary>What a judge said of a pair, asked twice: a judge who likes a place better than a sample says so, and makes no pair.</summary>
/// <param name="Forward">Where the first sample was played first.</param>
/// <param name="Backward">Where the second sample was.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record PairVerdict(JudgeAnswer Forward, JudgeAnswer Backward)
{
    /// <summary>Why it was not judged; null where it was.</summary>
    public string? Failure { get; init; }

    /// <summary>Whether both questions were answered as they should be.</summary>
    public bool IsJudged => IsAnswer(Forward) && IsAnswer(Backward);

    /// <summary>Whether the first sample is the better, whichever was played first.</summary>
    public bool PrefersFirst => (Forward, Backward) == (JudgeAnswer.First, JudgeAnswer.Second);

    /// <summary>Whether the second sample is the better, whichever was played first.</summary>
    public bool PrefersSecond => (Forward, Backward) == (JudgeAnswer.Second, JudgeAnswer.First);

    /// <summary>Whether it makes a pair.</summary>
    public bool IsPreference => PrefersFirst || PrefersSecond;

    /// <summary>Whether both answers say the same of the samples.</summary>
    public bool Agrees => IsPreference || (Forward, Backward) == (JudgeAnswer.Tie, JudgeAnswer.Tie);

    private static bool IsAnswer(JudgeAnswer answer) => answer is JudgeAnswer.First or JudgeAnswer.Second or JudgeAnswer.Tie;
}
