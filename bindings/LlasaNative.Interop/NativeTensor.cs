namespace LlasaNative.Interop;

/// <summary>One parameter of a model, under its Hugging Face name.</summary>
/// <param name="Name">Hugging Face parameter name.</param>
/// <param name="Shape">Row-major shape, 1 to 4 axes.</param>
/// <param name="IsSet">Whether its values have been given.</param>
/// <param name="IsOptional">Whether the model works without it.</param>
public sealed record NativeTensor(string Name, IReadOnlyList<long> Shape, bool IsSet, bool IsOptional)
{
    /// <summary>Whether it belongs to a policy's adapter and not to the base model.</summary>
    public bool IsAdapter { get; init; }

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (product, axis) => checked(product * axis));

    /// <summary>Bytes of a tensor.</summary>
    /// <param name="shape">Its shape, no axis negative.</param>
    /// <param name="dtype">Its element type.</param>
    /// <exception cref="ArgumentOutOfRangeException">An axis is negative or the type is unknown.</exception>
    public static long SizeInBytes(ReadOnlySpan<long> shape, NativeDType dtype)
    {
        var size = dtype switch
        {
            NativeDType.F32 => 4L,
            NativeDType.F16 or NativeDType.BF16 => 2L,
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "unknown element type"),
        };
        foreach (var axis in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(axis, nameof(shape));
            size = checked(size * axis);
        }

        return size;
    }

    internal static unsafe NativeTensor From(in TensorInfoRaw info)
    {
        ReadOnlySpan<long> shape = info.Shape;
        return new NativeTensor(
            System.Runtime.InteropServices.Marshal.PtrToStringUTF8((nint)info.Name) ?? "",
            shape[..info.Rank].ToArray(), info.IsSet != 0, info.IsOptional != 0) { IsAdapter = info.IsAdapter != 0 };
    }
}
