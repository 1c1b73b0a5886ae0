namespace LlasaNative.Training;

/// <summary>How much a run has written down.</summary>
/// <param name="MetricsBytes">Bytes of the metrics file.</param>
/// <param name="SamplesBytes">Bytes of the samples file.</param>
public readonly record struct RunLogLength(long MetricsBytes, long SamplesBytes);
