namespace LlasaNative.Recognition.Wire;

/// <summary>Answer of <c>POST /score_batch</c>.</summary>
/// <param name="Model">The models that listened, as in <see cref="HealthReport.Model"/>.</param>
/// <param name="Results">One per sample, in their order.</param>
public sealed record BatchResponse(string Model, SampleResult[] Results);
