namespace LlasaNative.Training;

/// <summary>Where a run stands: what a checkpoint holds beside the policy and the optimiser's moments.</summary>
public sealed record RunState
{
    /// <summary>Steps of the run that were taken.</summary>
    public required long Step { get; init; }

    /// <summary>Steps the optimiser took: those that were not skipped.</summary>
    public required long OptimiserStep { get; init; }

    /// <summary>How far the walk through the data had come, in items.</summary>
    public required long DataPosition { get; init; }

    /// <summary>The step after which <see cref="RunSettings.Lowest"/> was lowest so far, and its value; null before it was measured, or when its state is gone.</summary>
    public (long Step, double Value)? Best { get; init; }

    /// <summary>What was written down by then.</summary>
    public required RunLogLength Log { get; init; }

    /// <summary>Every option of the run.</summary>
    public required IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>Where the run was started, to which paths among the options are relative; null in older checkpoints.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>As of <see cref="RunSettings.DataFingerprint"/>; null when nobody said, and in older checkpoints.</summary>
    public string? DataFingerprint { get; init; }
}
