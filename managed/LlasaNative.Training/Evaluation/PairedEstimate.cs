namespace LlasaNative.Training;

/// <summary>A measure of two systems and their difference.</summary>
/// <param name="Before">First system.</param>
/// <param name="After">Second system.</param>
/// <param name="Difference">Second minus first.</param>
public sealed record PairedEstimate(IntervalEstimate Before, IntervalEstimate After, IntervalEstimate Difference);
