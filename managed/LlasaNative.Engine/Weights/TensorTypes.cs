namespace LlasaNative.Weights;

/// <summary>Names and sizes of <see cref="TensorType"/> values.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class TensorTypes
{
    /// <summary>Size of one element in bytes: 1, 2, 4 or 8.</summary>
    /// <param name="type">A defined value other than <see cref="TensorType.Other"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> has no size.</exception>
    public static int SizeInBytes(this TensorType type) => type switch
    {
        TensorType.F64 or TensorType.I64 or TensorType.U64 => 8,
        TensorType.F32 or TensorType.I32 or TensorType.U32 => 4,
        TensorType.F16 or TensorType.BF16 or TensorType.I16 or TensorType.U16 => 2,
        TensorType.I8 or TensorType.U8 or TensorType.Bool or TensorType.F8E4M3 or TensorType.F8E5M2 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a tensor type."),
    };

    /// <summary>The name used in safetensors headers, for example <c>BF16</c>.</summary>
    /// <param name="type">A defined value.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> is not defined.</exception>
    public static string SafeTensorsName(this TensorType type) => type switch
    {
        TensorType.Bool => "BOOL",
        TensorType.F8E4M3 => "F8_E4M3",
        TensorType.F8E5M2 => "F8_E5M2",
        TensorType.Other => throw new ArgumentOutOfRangeException(nameof(type), type, "Has no name of its own."),
        _ when Enum.IsDefined(type) => type.ToString(),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a tensor type."),
    };

    /// <summary>The name Transformers writes as <c>dtype</c> in a config, for example <c>bfloat16</c>.</summary>
    /// <param name="type">F32, F16, BF16 or F64.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="type"/> is not a floating-point type.</exception>
    public static string ConfigName(this TensorType type) => type switch
    {
        TensorType.F32 => "float32",
        TensorType.F16 => "float16",
        TensorType.BF16 => "bfloat16",
        TensorType.F64 => "float64",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a floating-point weight type."),
    };

    /// <summary>Finds the type with the given safetensors name.</summary>
    /// <param name="name">Name as in a header, upper case.</param>
    /// <param name="type">The type; <see cref="TensorType.Other"/> when the result is false.</param>
    /// <returns>False when no supported type has that name.</returns>
    public static bool TryParse(string name, out TensorType type)
    {
        type = Enum.GetValues<TensorType>().FirstOrDefault(known => known != TensorType.Other && known.SafeTensorsName() == name, TensorType.Other);
        return type != TensorType.Other;
    }
}
