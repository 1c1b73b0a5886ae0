namespace LlasaNative.RandomCheckpoints;

/// <summary>What a random checkpoint is like.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record RandomCheckpointOptions
{
    /// <summary>Which model.</summary>
    public required ModelKind Kind { get; init; }

    /// <summary>One of <see cref="PublicShapes.Names"/>, or the path of a <c>config.json</c>.</summary>
    public required string Like { get; init; }

    /// <summary>Decides the values; the same seed gives the same ones in every type, up to rounding.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Element type of the weights: F32, F16 or BF16.</summary>
    public TensorType Type { get; init; } = TensorType.BF16;

    /// <summary>Most bytes of a weights file, unless a single tensor takes more; 0 = one file for all.</summary>
    public long ShardBytes { get; init; }

    /// <summary>Whether weights are written; without them there are sizes alone, which is what a plan of memory or cost reads.</summary>
    public bool HasWeights { get; init; } = true;
}
