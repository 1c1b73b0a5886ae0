namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>POST /score_batch</c>.</summary>
public sealed record BatchResponse
{
    /// <summary>The models that listened, as in <see cref="HealthReport.Model"/>.</summary>
    public required string Model { get; init; }

    /// <summary>One per sample, in their order.</summary>
    public required SampleResult[] Results { get; init; }
}
