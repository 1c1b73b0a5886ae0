namespace LlasaNative.Training;

/// <summary>What ends a run before its last step, because going on would do harm.</summary>
[RemovedOption("stop_when.window", "it is 10 steps")]
public sealed record StopOptions
{
    [Option("Divergence from the starting policy (policy/kl) above which the run ends; 0: none.", AtLeast = 0, Unit = "nats per token")]
    public double KlAbove { get; init; }

    [Option("Share of its first value that the spread of pitch (prosody/f0_semitones) must keep; 0: none.", AtLeast = 0, Below = 1)]
    public double F0SpreadBelow { get; init; }

    [Option("Entropy (policy/entropy) below which the run ends; 0: none.", AtLeast = 0, Unit = "nats per token")]
    public double EntropyBelow { get; init; }

    [Option("Evaluations in succession that hear more errors than the one before (evaluation/cer), after which the run ends; 0: none.", AtLeast = 0)]
    public int CerRises { get; init; }

    /// <summary>Steps whose mean is held against a bound, and those whose mean is the first value; at least 1.</summary>
    public int Window { get; init; } = 10;
}
