namespace LlasaNative.Models;

/// <summary>Element types of matrices, as the native library names and keeps them.</summary>
public static class ComputeTypes
{
    /// <summary>Bytes of a weight; in 8 bits with its share of the scale.</summary>
    /// <param name="type">How the matrix is kept.</param>
    public static double BytesPerWeight(this ComputeType type) => type switch
    {
        ComputeType.F32 => 4,
        ComputeType.Bf16 => 2,
        ComputeType.Q8 => 1.125,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no such type"),
    };

    internal static NativeDType ToNative(this ComputeType type) => type switch
    {
        ComputeType.F32 => NativeDType.F32,
        ComputeType.Bf16 => NativeDType.BF16,
        ComputeType.Q8 => NativeDType.Q8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "no such type"),
    };
}
