namespace LlasaNative.Reporting;

/// <summary>What the demonstration measured: the content of its page and of <c>summary.json</c>.</summary>
public sealed record DemoReport
{
    /// <summary>Corpus CER on held-out sentences before training.</summary>
    public required double CerBefore { get; init; }

    /// <summary>Corpus CER on the same sentences and seeds after training.</summary>
    public required double CerAfter { get; init; }

    /// <summary>Lower end of the 95 % interval of after minus before.</summary>
    public required double IntervalLow { get; init; }

    /// <summary>Upper end of the 95 % interval of after minus before.</summary>
    public required double IntervalHigh { get; init; }

    /// <summary>Share of samples heard without an error, before and after.</summary>
    public required (double Before, double After) Exact { get; init; }

    /// <summary>Mean reward, before and after.</summary>
    public required (double Before, double After) Reward { get; init; }

    /// <summary>What the second ear heard; null when there was none.</summary>
    public DemoSecondEar? SecondEar { get; init; }

    /// <summary>Held-out sentences.</summary>
    public required int Sentences { get; init; }

    /// <summary>Samples of each sentence.</summary>
    public required int SamplesPerSentence { get; init; }

    /// <summary>Seed of the demonstration.</summary>
    public required long Seed { get; init; }

    /// <summary>Training steps taken.</summary>
    public required long Steps { get; init; }

    /// <summary>Training steps of the whole demonstration.</summary>
    public required long FullSteps { get; init; }

    /// <summary>Whether it ended before the whole demonstration would have: such a run shows that it works, not what it learns.</summary>
    public bool IsShort => Steps < FullSteps;

    /// <summary>Seconds from start to end.</summary>
    public required double SecondsTotal { get; init; }

    /// <summary>Seconds of training alone.</summary>
    public required double SecondsTraining { get; init; }

    /// <summary>What computed, for people.</summary>
    public required string Device { get; init; }

    /// <summary>Mean training reward of each step.</summary>
    public required IReadOnlyList<double> RewardCurve { get; init; }

    /// <summary>Training CER of each step.</summary>
    public required IReadOnlyList<double> CerCurve { get; init; }

    /// <summary>Settings, in order.</summary>
    public required IReadOnlyList<KeyValuePair<string, string>> Settings { get; init; }

    /// <summary>Sentences to listen to.</summary>
    public required IReadOnlyList<DemoPair> Pairs { get; init; }

    /// <summary>How much of the CER is gone, 0 to 1.</summary>
    public double RelativeReduction => CerBefore > 0 ? (CerBefore - CerAfter) / CerBefore : 0;
}
