namespace LlasaNative.Training;

/// <summary>How a run ended.</summary>
/// <param name="Step">Steps taken in all.</param>
/// <param name="Completed">Whether that is all of them.</param>
/// <param name="Seconds">Seconds spent in this session's training steps.</param>
/// <param name="Checkpoint">Directory of the last checkpoint; null when none was saved.</param>
/// <param name="Stopped">Whether a signal, to whichever rank, ended it.</param>
public sealed record RunOutcome(long Step, bool Completed, double Seconds, string? Checkpoint, bool Stopped = false)
{
    /// <summary>The step after which <see cref="RunSettings.Lowest"/> was lowest, and its value; null when it was never measured.</summary>
    public (long Step, double Value)? Best { get; init; }

    /// <summary>Why it ended before its last step; null when nothing made it.</summary>
    public string? Reason { get; init; }
}
