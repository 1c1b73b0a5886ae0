namespace LlasaNative.Training;

/// <summary>Where a run stands: what a checkpoint holds beside the policy and the optimiser's moments.</summary>
/// <param name="Step">Steps of the run that were taken.</param>
/// <param name="OptimiserStep">Steps the optimiser took: those that were not skipped.</param>
/// <param name="DataPosition">How far the walk through the data had come, in items.</param>
/// <param name="Log">What was written down by then.</param>
/// <param name="Options">Every option of the run.</param>
/// <param name="Best">The step after which <see cref="RunSettings.Lowest"/> was lowest so far, and its value; null before it was measured, or when its state is gone.</param>
/// <param name="WorkingDirectory">Where the run was started, to which paths among the options are relative; null in older checkpoints.</param>
/// <param name="DataFingerprint">As of <see cref="RunSettings.DataFingerprint"/>; null when nobody said, and in older checkpoints.</param>
public sealed record RunState(
    long Step, long OptimiserStep, long DataPosition, RunLogLength Log, IReadOnlyDictionary<string, string> Options,
    (long Step, double Value)? Best = null, string? WorkingDirectory = null, string? DataFingerprint = null);
