namespace LlasaNative.Torch;

/// <summary>How the projections of a policy multiply.</summary>
internal sealed class AdapterOptions
{
    /// <summary>alpha / rank of the adapter.</summary>
    public double Scale { get; init; }

    /// <summary>Share of an adapter's inputs left out while training, 0 or more and below 1.</summary>
    public double Dropout { get; init; }

    /// <summary>Whether the policy multiplies a bf16 copy of its weights, as compute_dtype bf16 does.</summary>
    public bool RoundsWeights { get; init; }

    /// <summary>Whether the adapter takes part; without it the starting policy computes.</summary>
    public bool Enabled { get; set; } = true;
}
