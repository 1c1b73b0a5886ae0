using System.Numerics;

namespace LlasaNative.Weights;

/// <summary>Conversions between float32 and the element types of weight files (little-endian).</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class TensorConversion
{
    /// <summary>Whether a type is one of F32, F16, BF16, F64.</summary>
    /// <param name="type">Element type.</param>
    public static bool IsFloat(TensorType type) =>
        type is TensorType.F32 or TensorType.F16 or TensorType.BF16 or TensorType.F64;

    /// <summary>Converts stored elements to float32; exact except from F64, which is rounded to nearest.</summary>
    /// <param name="source">Elements, little-endian; length = destination length × element size.</param>
    /// <param name="type">F32, F16, BF16 or F64.</param>
    /// <param name="destination">Receives the values.</param>
    /// <exception cref="ArgumentException">The lengths do not fit, or the type is not floating-point.</exception>
    public static void ToSingle(ReadOnlySpan<byte> source, TensorType type, Span<float> destination)
    {
        CheckLengths(source.Length, type, destination.Length);
        switch (type)
        {
            case TensorType.F32:
                source.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case TensorType.BF16:
                ReadOnlySpan<ushort> high = MemoryMarshal.Cast<byte, ushort>(source);
                for (int i = 0; i < destination.Length; i++)
                {
                    destination[i] = BitConverter.UInt32BitsToSingle((uint)high[i] << 16);
                }

                break;
            case TensorType.F16:
                Convert<Half, float>(MemoryMarshal.Cast<byte, Half>(source), destination);
                break;
            default:
                Convert<double, float>(MemoryMarshal.Cast<byte, double>(source), destination);
                break;
        }
    }

    /// <summary>Converts float32 values to the stored type, rounding to nearest, ties to even; NaN stays NaN.</summary>
    /// <param name="source">Values.</param>
    /// <param name="type">F32, F16, BF16 or F64.</param>
    /// <param name="destination">Receives the bytes; length = source length × element size.</param>
    /// <exception cref="ArgumentException">The lengths do not fit, or the type is not floating-point.</exception>
    public static void FromSingle(ReadOnlySpan<float> source, TensorType type, Span<byte> destination)
    {
        CheckLengths(destination.Length, type, source.Length);
        switch (type)
        {
            case TensorType.F32:
                MemoryMarshal.AsBytes(source).CopyTo(destination);
                break;
            case TensorType.BF16:
                Span<ushort> high = MemoryMarshal.Cast<byte, ushort>(destination);
                for (int i = 0; i < source.Length; i++)
                {
                    high[i] = ToBFloat16(source[i]);
                }

                break;
            case TensorType.F16:
                Convert(source, MemoryMarshal.Cast<byte, Half>(destination));
                break;
            default:
                Convert(source, MemoryMarshal.Cast<byte, double>(destination));
                break;
        }
    }

    /// <summary>The largest finite number of a type.</summary>
    /// <param name="type">F32, F16, BF16 or F64.</param>
    /// <exception cref="ArgumentException">The type is not floating-point.</exception>
    public static double Largest(TensorType type) => type switch
    {
        TensorType.F16 => (double)Half.MaxValue,
        TensorType.BF16 => BitConverter.UInt32BitsToSingle(0x7F7F_0000),
        TensorType.F32 => float.MaxValue,
        TensorType.F64 => double.MaxValue,
        _ => throw new ArgumentException($"{type} is not a floating-point type.", nameof(type)),
    };

    /// <summary>What keeps values from being stored as a type: one that is not finite, or the largest beyond its range; null = nothing.</summary>
    /// <param name="values">Values.</param>
    /// <param name="type">F32, F16, BF16 or F64.</param>
    public static string? WhyNot(ReadOnlySpan<float> values, TensorType type)
    {
        float largest = 0;
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
            {
                return string.Create(CultureInfo.InvariantCulture, $"holds {value}");
            }

            largest = Math.Max(largest, Math.Abs(value));
        }

        double limit = Largest(type);
        return largest <= limit ? null : string.Create(
            CultureInfo.InvariantCulture, $"holds values up to {largest:R}, {type} ends at {limit:R}{(type == TensorType.F16 ? ": BF16 holds them" : string.Empty)}");
    }

    /// <summary>The bits of the nearest bfloat16, ties to even.</summary>
    /// <param name="value">Any value; NaN gives a quiet NaN, values beyond the range give infinity.</param>
    public static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
        {
            return (ushort)((bits >> 16) | 0x40);
        }

        return (ushort)((bits + 0x7FFFu + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>Whether every element is finite; integer types always are.</summary>
    /// <param name="source">Whole elements, little-endian.</param>
    /// <param name="type">Element type.</param>
    public static bool AllFinite(ReadOnlySpan<byte> source, TensorType type) => type switch
    {
        TensorType.F32 => AreFinite<float>(source),
        TensorType.F16 => AreFinite<Half>(source),
        TensorType.F64 => AreFinite<double>(source),
        TensorType.BF16 => AreFiniteBFloat16(source),
        _ => true,
    };

    private static bool AreFinite<T>(ReadOnlySpan<byte> source)
        where T : unmanaged, INumberBase<T>
    {
        foreach (T value in MemoryMarshal.Cast<byte, T>(source))
        {
            if (!T.IsFinite(value))
            {
                return false;
            }
        }

        return true;
    }

    private static bool AreFiniteBFloat16(ReadOnlySpan<byte> source)
    {
        const int Exponent = 0x7F80;
        foreach (ushort bits in MemoryMarshal.Cast<byte, ushort>(source))
        {
            if ((bits & Exponent) == Exponent)
            {
                return false;
            }
        }

        return true;
    }

    private static void Convert<TFrom, TTo>(ReadOnlySpan<TFrom> source, Span<TTo> destination)
        where TFrom : INumberBase<TFrom>
        where TTo : INumberBase<TTo>
    {
        for (int i = 0; i < source.Length; i++)
        {
            destination[i] = TTo.CreateTruncating(source[i]);
        }
    }

    private static void CheckLengths(int bytes, TensorType type, int elements)
    {
        if (!IsFloat(type))
        {
            throw new ArgumentException($"{type} is not a floating-point type.", nameof(type));
        }

        if (bytes != (long)elements * type.SizeInBytes())
        {
            throw new ArgumentException($"{elements} elements of {type} do not take {bytes} bytes.", nameof(bytes));
        }
    }
}
