namespace LlasaNative.Training;

/// <summary>What a training run needs besides its loop.</summary>
/// <param name="Run">How long, and what is written where.</param>
/// <param name="Options">The options record of the run; what changes results in it must be equal when resuming.</param>
/// <param name="Checkpoints">Where states are kept to go on from.</param>
/// <param name="OpenLog">Opens what keeps the steps' results; given where a resumed run stands, null when it begins.</param>
/// <param name="Progress">Where people read progress.</param>
/// <param name="DataFingerprint">What the data hold, in a word, which must be equal when resuming; null = not compared.</param>
/// <param name="Resume"><c>auto</c>, <c>never</c>, or the directory of a checkpoint.</param>
/// <param name="Stop">Ctrl-C; null when nobody can stop the run.</param>
/// <param name="Evaluate">Evaluates the policy after a step; null = never. Its measurements join those of the step.</param>
/// <param name="Lowest">Measurement of evaluations by which states are compared: the one where it is lowest is saved, and kept; null = none.</param>
/// <param name="Watch">Holds measurements against bounds that end the run; null = none.</param>
/// <param name="OnStep">Called after each completed step, checkpoint included; may be null.</param>
public sealed record RunSettings(
    RunOptions Run, object Options, IRunCheckpoints Checkpoints, Func<RunState?, IRunLog> OpenLog, IRunProgress Progress,
    string? DataFingerprint = null, string Resume = "auto", StopSignal? Stop = null, Action<MetricRow>? Evaluate = null, string? Lowest = null,
    RunWatch? Watch = null, Action<StepReport>? OnStep = null)
{
    /// <summary>The ranks that take each step together; all but the first keep no log and show no progress.</summary>
    public IWorld World { get; init; } = Ranks.Alone;
}
