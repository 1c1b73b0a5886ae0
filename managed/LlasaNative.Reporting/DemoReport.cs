namespace LlasaNative.Reporting;

/// <summary>What the demonstration measured: the content of its page and of <c>summary.json</c>.</summary>
/// <param name="CerBefore">Corpus CER on held-out sentences before training.</param>
/// <param name="CerAfter">Corpus CER on the same sentences and seeds after training.</param>
/// <param name="IntervalLow">Lower end of the 95 % interval of after minus before.</param>
/// <param name="IntervalHigh">Upper end of the 95 % interval of after minus before.</param>
/// <param name="Exact">Share of samples heard without an error, before and after.</param>
/// <param name="Reward">Mean reward, before and after.</param>
/// <param name="Sentences">Held-out sentences.</param>
/// <param name="SamplesPerSentence">Samples of each sentence.</param>
/// <param name="Seed">Seed of the demonstration.</param>
/// <param name="Steps">Training steps taken.</param>
/// <param name="FullSteps">Training steps of the whole demonstration.</param>
/// <param name="SecondsTotal">Seconds from start to end.</param>
/// <param name="SecondsTraining">Seconds of training alone.</param>
/// <param name="Device">What computed, for people.</param>
/// <param name="RewardCurve">Mean training reward of each step.</param>
/// <param name="CerCurve">Training CER of each step.</param>
/// <param name="Settings">Settings, in order.</param>
/// <param name="Pairs">Sentences to listen to.</param>
/// <param name="SecondEar">What the second ear heard; null when there was none.</param>
public sealed record DemoReport(
    double CerBefore, double CerAfter, double IntervalLow, double IntervalHigh, (double Before, double After) Exact,
    (double Before, double After) Reward, int Sentences, int SamplesPerSentence, long Seed, long Steps, long FullSteps, double SecondsTotal,
    double SecondsTraining, string Device, IReadOnlyList<double> RewardCurve, IReadOnlyList<double> CerCurve,
    IReadOnlyList<KeyValuePair<string, string>> Settings, IReadOnlyList<DemoPair> Pairs, DemoSecondEar? SecondEar = null)
{
    /// <summary>How much of the CER is gone, 0 to 1.</summary>
    public double RelativeReduction => CerBefore > 0 ? (CerBefore - CerAfter) / CerBefore : 0;

    /// <summary>Whether it ended before the whole demonstration would have: such a run shows that it works, not what it learns.</summary>
    public bool IsShort => Steps < FullSteps;
}
