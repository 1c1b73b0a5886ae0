using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace LlasaNative.Data.Parquet;

/// <summary>Turns stored values into the .NET values of their logical type.</summary>
internal static class ValueConversion
{
    private const int LargestSystemPrecision = 28;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>The conversion of a column: a <c>Func&lt;T, object&gt;</c> for the .NET type of its stored type.</summary>
    public static Delegate ToObject(ParquetField column) => column.PhysicalType!.Value switch
    {
        ParquetPhysicalType.Boolean => (bool value) => (object)value,
        ParquetPhysicalType.Int32 => FromInt32(column.LogicalType),
        ParquetPhysicalType.Int64 => FromInt64(column.LogicalType),
        ParquetPhysicalType.Int96 => (ParquetInt96 value) => (object)value,
        ParquetPhysicalType.Float => (float value) => (object)value,
        ParquetPhysicalType.Double => (double value) => (object)value,
        _ => FromBytes(column.LogicalType),
    };

    /// <summary>Decodes UTF-8 and refuses what is not.</summary>
    public static string ToText(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            return StrictUtf8.GetString(bytes.Span);
        }
        catch (DecoderFallbackException e)
        {
            throw new ParquetException("a text is not valid UTF-8", e);
        }
    }

    private static Func<int, object> FromInt32(ParquetLogicalType logical)
    {
        switch (logical.Kind)
        {
            case ParquetLogicalKind.Date:
                return ToDate;
            case ParquetLogicalKind.Time:
                return value => new ParquetTime(value, logical.Unit, logical.IsUtc);
            case ParquetLogicalKind.Decimal:
                return value => ToDecimal(value, logical);
            case ParquetLogicalKind.Integer:
                return (logical.BitWidth, logical.IsSigned) switch
                {
                    (8, true) => value => unchecked((sbyte)value),
                    (8, false) => value => unchecked((byte)value),
                    (16, true) => value => unchecked((short)value),
                    (16, false) => value => unchecked((ushort)value),
                    (_, true) => value => value,
                    (_, false) => value => unchecked((uint)value),
                };
            default:
                return value => value;
        }
    }

    private static Func<long, object> FromInt64(ParquetLogicalType logical) => logical.Kind switch
    {
        ParquetLogicalKind.Time => value => new ParquetTime(value, logical.Unit, logical.IsUtc),
        ParquetLogicalKind.Timestamp => value => new ParquetTimestamp(value, logical.Unit, logical.IsUtc),
        ParquetLogicalKind.Decimal => value => ToDecimal(value, logical),
        ParquetLogicalKind.Integer when !logical.IsSigned => value => unchecked((ulong)value),
        _ => value => value,
    };

    private static Func<ReadOnlyMemory<byte>, object> FromBytes(ParquetLogicalType logical) => logical.Kind switch
    {
        ParquetLogicalKind.Text or ParquetLogicalKind.Enumeration or ParquetLogicalKind.Json => ToText,
        ParquetLogicalKind.Uuid => value => new Guid(value.Span, bigEndian: true),
        ParquetLogicalKind.Float16 => value => BinaryPrimitives.ReadHalfLittleEndian(value.Span),
        ParquetLogicalKind.Decimal => value => ToDecimal(new BigInteger(value.Span, isBigEndian: true), logical),
        _ => value => value.ToArray(),
    };

    private static object ToDate(int days)
    {
        long day = DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber + (long)days;
        return day >= 0 && day <= DateOnly.MaxValue.DayNumber
            ? DateOnly.FromDayNumber((int)day)
            : throw new ParquetException($"day {days} since 1970 is outside the years 1 to 9999");
    }

    // The .NET type depends on the declared precision only, never on the value.
    private static object ToDecimal(BigInteger unscaled, ParquetLogicalType logical)
    {
        if (logical.Precision > LargestSystemPrecision)
        {
            return new ParquetDecimal(unscaled, logical.Scale);
        }

        BigInteger magnitude = BigInteger.Abs(unscaled);
        if (magnitude.GetBitLength() > 96)
        {
            throw new ParquetException($"a decimal has more than its {logical.Precision} digits");
        }

        UInt128 digits = (UInt128)magnitude;
        return new decimal((int)(uint)digits, (int)(uint)(digits >> 32), (int)(uint)(digits >> 64), unscaled.Sign < 0, (byte)logical.Scale);
    }
}
