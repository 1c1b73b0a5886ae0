namespace LlasaNative.Torch;

/// <summary>How the projections of a policy multiply.</summary>
internal sealed class ProjectionSettings
{
    /// <summary>alpha / rank of the adapter.</summary>
    public double AdapterScale { get; init; }

    /// <summary>Share of an adapter's inputs left out while training, 0 or more and below 1.</summary>
    public double AdapterDropout { get; init; }

    /// <summary>Whether the policy multiplies a bf16 copy of its weights, as compute_dtype bf16 does.</summary>
    public bool RoundsWeights { get; init; }
}
