namespace LlasaNative.Training;

/// <summary>Keeps what a run's steps came to.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it at the end of the run.</remarks>
public interface IRunLog : IDisposable
{
    /// <summary>How much is kept so far; a run that resumes goes on from there.</summary>
    RunLogLength Length { get; }

    /// <summary>Measurements of the steps that are kept, in order.</summary>
    IReadOnlyList<MetricRow> Rows { get; }

    /// <summary>Keeps a step.</summary>
    /// <param name="report">What came of it.</param>
    void Write(StepReport report);

    /// <summary>Returns once everything is where a power cut does not take it away.</summary>
    void FlushToDisk();
}
