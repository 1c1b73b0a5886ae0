namespace LlasaNative.Training;

/// <summary>A number and where it may lie; all NaN when it cannot be said.</summary>
/// <param name="Value">The number.</param>
/// <param name="Low">Lower end of its interval.</param>
/// <param name="High">Upper end of its interval.</param>
public readonly record struct IntervalEstimate(double Value, double Low, double High);
