namespace LlasaNative.Torch;

/// <summary>How the projections of a policy multiply.</summary>
/// <param name="AdapterScale">alpha / rank of the adapter.</param>
/// <param name="AdapterDropout">Share of an adapter's inputs left out while training, 0 or more and below 1.</param>
/// <param name="RoundsWeights">Whether the policy multiplies a bf16 copy of its weights, as compute_dtype bf16 does.</param>
internal sealed record ProjectionSettings(double AdapterScale, double AdapterDropout, bool RoundsWeights);
