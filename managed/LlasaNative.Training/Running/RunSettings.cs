namespace LlasaNative.Training;

/// <summary>What a training run needs besides its loop.</summary>
public sealed record RunSettings
{
    /// <summary>How long, and what is written where.</summary>
    public required RunOptions Run { get; init; }

    /// <summary>The options record of the run; what changes results in it must be equal when resuming.</summary>
    public required object Options { get; init; }

    /// <summary>What the data hold, in a word, which must be equal when resuming; null = not compared.</summary>
    public string? DataFingerprint { get; init; }

    /// <summary><c>auto</c>, <c>never</c>, or the directory of a checkpoint.</summary>
    public string Resume { get; init; } = "auto";

    /// <summary>Where states are kept to go on from.</summary>
    public required IRunCheckpoints Checkpoints { get; init; }

    /// <summary>Opens what keeps the steps' results; given where a resumed run stands, null when it begins.</summary>
    public required Func<RunState?, IRunLog> OpenLog { get; init; }

    /// <summary>Where people read progress.</summary>
    public required IRunProgress Progress { get; init; }

    /// <summary>Ctrl-C; null when nobody can stop the run.</summary>
    public StopSignal? Stop { get; init; }

    /// <summary>Evaluates the policy after a step; null = never. Its measurements join those of the step.</summary>
    public Action<MetricRow>? Evaluate { get; init; }

    /// <summary>Measurement of evaluations by which states are compared: the one where it is lowest is saved, and kept; null = none.</summary>
    public string? Lowest { get; init; }

    /// <summary>The ranks that take each step together; all but the first keep no log and show no progress.</summary>
    public IWorld World { get; init; } = Ranks.Alone;

    /// <summary>Holds measurements against bounds that end the run; null = none.</summary>
    public RunWatch? Watch { get; init; }

    /// <summary>Called after each completed step, checkpoint included; may be null.</summary>
    public Action<StepReport>? OnStep { get; init; }
}
