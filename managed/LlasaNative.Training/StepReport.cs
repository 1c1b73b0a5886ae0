namespace LlasaNative.Training;

/// <summary>What came of one step.</summary>
/// <param name="Metrics">Its measurements.</param>
/// <param name="Summary">One line for people.</param>
/// <param name="Samples">What was drawn, in order; empty in supervised training.</param>
public sealed record StepReport(MetricRow Metrics, string Summary, IReadOnlyList<SampleRecord> Samples);
