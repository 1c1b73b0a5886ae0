using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace LlasaNative.Data.Parquet;

/// <summary>Turns .NET values into the stored values of a column; the reverse of <see cref="ValueConversion"/>.</summary>
internal static class ValueStorage
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>The conversion of a column: a <c>Func&lt;object, T&gt;</c>, with <c>byte[]</c> for both kinds of byte arrays.</summary>
    public static Delegate FromObject(ParquetField column) => column.PhysicalType!.Value switch
    {
        ParquetPhysicalType.Boolean => (object value) => (bool)value,
        ParquetPhysicalType.Int32 => (object value) => ToInt32(value, column.LogicalType),
        ParquetPhysicalType.Int64 => (object value) => ToInt64(value, column.LogicalType),
        ParquetPhysicalType.Int96 => (object value) => (ParquetInt96)value,
        ParquetPhysicalType.Float => (object value) => (float)value,
        ParquetPhysicalType.Double => (object value) => value is float single ? single : (double)value,
        _ => (object value) => ToBytes(value, column),
    };

    private static int ToInt32(object value, ParquetLogicalType logical)
    {
        switch (value)
        {
            case DateOnly date:
                return date.DayNumber - DateOnly.FromDateTime(DateTime.UnixEpoch).DayNumber;
            case uint number when !logical.IsSigned:
                return unchecked((int)number);
        }

        long wide = ToInt64(value, logical);
        bool fits = logical.Kind == ParquetLogicalKind.Integer && logical.BitWidth < 32
            ? logical.IsSigned ? wide >= -(1L << (logical.BitWidth - 1)) && wide < 1L << (logical.BitWidth - 1) : wide >= 0 && wide < 1L << logical.BitWidth
            : wide is >= int.MinValue and <= int.MaxValue;
        return fits ? (int)wide : throw new OverflowException($"{wide} does not fit the column");
    }

    private static long ToInt64(object value, ParquetLogicalType logical) => value switch
    {
        ParquetTime time when time.Unit == logical.Unit => time.Value,
        ParquetTimestamp time when time.Unit == logical.Unit => time.Value,
        DateTime time when logical.Kind == ParquetLogicalKind.Timestamp => ToSteps(time, logical),
        decimal or ParquetDecimal => (long)Unscaled(value, logical),
        ulong number when logical is { Kind: ParquetLogicalKind.Integer, IsSigned: false } => unchecked((long)number),
        long or int or short or sbyte or byte or ushort or uint when logical.Kind is not ParquetLogicalKind.Decimal =>
            Convert.ToInt64(value, CultureInfo.InvariantCulture),
        _ => throw new InvalidCastException(),
    };

    private static long ToSteps(DateTime time, ParquetLogicalType logical)
    {
        long ticks = (logical.IsUtc && time.Kind == DateTimeKind.Local ? time.ToUniversalTime() : time).Ticks - DateTime.UnixEpoch.Ticks;
        return logical.Unit switch
        {
            ParquetTimeUnit.Milliseconds => (long)Math.Floor(ticks / (decimal)TimeSpan.TicksPerMillisecond),
            ParquetTimeUnit.Microseconds => (long)Math.Floor(ticks / (decimal)TimeSpan.TicksPerMicrosecond),
            _ => checked(ticks * 100),
        };
    }

    private static byte[] ToBytes(object value, ParquetField column)
    {
        byte[] bytes = value switch
        {
            string text => StrictUtf8.GetBytes(text),
            byte[] raw => raw,
            ReadOnlyMemory<byte> raw => raw.ToArray(),
            Guid uuid => uuid.ToByteArray(bigEndian: true),
            Half half => HalfBytes(half),
            decimal or ParquetDecimal => DecimalBytes(Unscaled(value, column.LogicalType), column.TypeLength),
            _ => throw new InvalidCastException(),
        };
        return column.PhysicalType == ParquetPhysicalType.ByteArray || bytes.Length == column.TypeLength
            ? bytes
            : throw new OverflowException($"{bytes.Length} bytes in a column of {column.TypeLength} bytes each");
    }

    private static byte[] HalfBytes(Half value)
    {
        byte[] bytes = new byte[2];
        BinaryPrimitives.WriteHalfLittleEndian(bytes, value);
        return bytes;
    }

    private static BigInteger Unscaled(object value, ParquetLogicalType logical)
    {
        BigInteger unscaled;
        int scale;
        if (value is ParquetDecimal big)
        {
            (unscaled, scale) = (big.Unscaled, big.Scale);
        }
        else
        {
            decimal number = (decimal)value;
            scale = number.Scale;
            Span<int> parts = stackalloc int[4];
            decimal.GetBits(number, parts);
            unscaled = ((((BigInteger)(uint)parts[2] << 32) + (uint)parts[1]) << 32) + (uint)parts[0];
            unscaled = parts[3] < 0 ? -unscaled : unscaled;
        }

        BigInteger factor = BigInteger.Pow(10, Math.Abs(logical.Scale - scale));
        BigInteger result = logical.Scale >= scale ? unscaled * factor : BigInteger.DivRem(unscaled, factor, out BigInteger rest) is var part && rest.IsZero
            ? part
            : throw new OverflowException($"more than {logical.Scale} digits after the point");
        return BigInteger.Abs(result) < BigInteger.Pow(10, logical.Precision)
            ? result
            : throw new OverflowException($"more than {logical.Precision} digits");
    }

    private static byte[] DecimalBytes(BigInteger unscaled, int length)
    {
        byte[] shortest = unscaled.ToByteArray(isBigEndian: true);
        if (length == 0 || shortest.Length >= length)
        {
            return shortest;
        }

        byte[] padded = new byte[length];
        padded.AsSpan().Fill(unscaled.Sign < 0 ? (byte)255 : (byte)0);
        shortest.CopyTo(padded.AsSpan(length - shortest.Length));
        return padded;
    }
}
