namespace LlasaNative.Judging;

/// <summary>How a judge fared over some pairs.</summary>
/// <param name="verdicts">What came of each.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class JudgeCounts(IReadOnlyCollection<PairVerdict> verdicts)
{
    /// <summary>Pairs that were asked about.</summary>
    public int Pairs => verdicts.Count;

    /// <summary>Pairs of which one was preferred, whichever was played first.</summary>
    public int Preferred => verdicts.Count(v => v.IsPreference);

    /// <summary>Pairs of which neither was.</summary>
    public int Ties => verdicts.Count(v => v.Agrees && !v.IsPreference);

    /// <summary>Pairs that were not judged: a request failed, or an answer was none.</summary>
    public int NotJudged => verdicts.Count(v => !v.IsJudged);

    /// <summary>Requests that failed.</summary>
    public int Failed => Answers.Count(a => a == JudgeAnswer.Failed);

    /// <summary>Answers that said neither A, B nor tie.</summary>
    public int Other => Answers.Count(a => a == JudgeAnswer.Other);

    /// <summary>Share of the judged pairs of which both answers say the same; NaN without any.</summary>
    public double Agreement => verdicts.Count == NotJudged ? double.NaN : verdicts.Count(v => v.Agrees) / (double)(verdicts.Count - NotJudged);

    /// <summary>Share of the answers for one sample that are for the one played first, which is a half without a bias; NaN without any.</summary>
    public double FirstShare => Answers.Count(a => a is JudgeAnswer.First or JudgeAnswer.Second) is var chosen and > 0 ? Answers.Count(a => a == JudgeAnswer.First) / (double)chosen : double.NaN;

    private IEnumerable<JudgeAnswer> Answers => verdicts.SelectMany(v => new[] { v.Forward, v.Backward });

    /// <summary>Writes it all down.</summary>
    /// <param name="row">Where.</param>
    public void AddTo(MetricRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        row.Add("judge/pairs", Pairs).Add("judge/preferred", Preferred).Add("judge/ties", Ties).Add("judge/not_judged", NotJudged)
            .Add("judge/failed", Failed).Add("judge/no_answer", Other).Add("judge/agreement", Agreement).Add("judge/first_share", FirstShare);
    }

    /// <summary>Gives up where more pairs went without a judgement than may.</summary>
    /// <param name="of">Pairs that the share is of.</param>
    /// <param name="options">How many may.</param>
    /// <param name="when">In front of the message, such as <c>step 3: </c>.</param>
    /// <exception cref="RewardUnavailableException">More did.</exception>
    public void Check(int of, Training.JudgeOptions options, string when = "")
    {
        ArgumentNullException.ThrowIfNull(options);
        if (NotJudged > options.MaxNotJudged * of)
        {
            throw new RewardUnavailableException(string.Create(
                CultureInfo.InvariantCulture,
                $"{when}{NotJudged} of {of} pairs could not be judged, more than reward_server.max_not_scored {options.MaxNotJudged:R} allows: {verdicts.First(v => !v.IsJudged).Failure}"));
        }
    }
}
