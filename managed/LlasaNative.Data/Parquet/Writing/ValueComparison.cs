using System.Buffers.Binary;
using System.Numerics;

namespace LlasaNative.Data.Parquet;

/// <summary>Equality for dictionaries and order for statistics.</summary>
internal static class ValueComparison
{
    /// <summary>Bounds longer than this are left out of the footer.</summary>
    private const int LongestBound = 256;

    public static IEqualityComparer<T>? Equality<T>() =>
        typeof(T) == typeof(byte[]) ? (IEqualityComparer<T>)(object)new BytesEquality()
        : typeof(T) == typeof(double) ? (IEqualityComparer<T>)(object)new DoubleEquality()
        : typeof(T) == typeof(float) ? (IEqualityComparer<T>)(object)new SingleEquality()
        : null;

    /// <summary>Smallest and largest value in the order of the logical type, where that is settled.</summary>
    /// <param name="column">The column.</param>
    /// <param name="some">Some values.</param>
    /// <param name="others">All other values.</param>
    /// <param name="nulls">Entries without a value.</param>
    public static ParquetStatistics? Statistics<T>(ParquetField column, List<T> some, List<T> others, long nulls)
    {
        (byte[]? minimum, byte[]? maximum) = (some, others) switch
        {
            (List<int> a, List<int> b) when IsUnsigned(column) => Bounds(a.Concat(b).Select(v => (uint)v), v => BitConverter.GetBytes(v)),
            (List<int> a, List<int> b) => Bounds(a.Concat(b), BitConverter.GetBytes),
            (List<long> a, List<long> b) when IsUnsigned(column) => Bounds(a.Concat(b).Select(v => (ulong)v), v => BitConverter.GetBytes(v)),
            (List<long> a, List<long> b) => Bounds(a.Concat(b), BitConverter.GetBytes),
            (List<bool> a, List<bool> b) => Bounds(a.Concat(b), v => [v ? (byte)1 : (byte)0]),
            (List<float> a, List<float> b) => RealBounds(a.Concat(b).Select(v => (double)v), v => BitConverter.GetBytes((float)v)),
            (List<double> a, List<double> b) => RealBounds(a.Concat(b), BitConverter.GetBytes),
            (List<byte[]> a, List<byte[]> b) when HasByteOrder(column) => ByteBounds(a.Concat(b)),
            (List<byte[]> a, List<byte[]> b) when column.LogicalType.Kind == ParquetLogicalKind.Decimal => DecimalBounds(a.Concat(b)),
            (List<byte[]> a, List<byte[]> b) when column.LogicalType.Kind == ParquetLogicalKind.Float16 =>
                RealBounds(a.Concat(b).Select(v => (double)BinaryPrimitives.ReadHalfLittleEndian(v)), v => BitConverter.GetBytes((Half)v)),
            _ => (null, null),
        };

        // pyarrow 25 ends its process on fixed-length columns that have statistics without bounds.
        if (minimum is null && column.PhysicalType == ParquetPhysicalType.FixedLengthByteArray)
        {
            return null;
        }

        return new ParquetStatistics(
            minimum is null ? null : new ReadOnlyMemory<byte>(minimum), maximum is null ? null : new ReadOnlyMemory<byte>(maximum),
            nulls, null, true, true);
    }

    private static bool IsUnsigned(ParquetField column) =>
        column.LogicalType is { Kind: ParquetLogicalKind.Integer, IsSigned: false };

    private static bool HasByteOrder(ParquetField column) => column.LogicalType.Kind is ParquetLogicalKind.None or ParquetLogicalKind.Text
        or ParquetLogicalKind.Enumeration or ParquetLogicalKind.Json or ParquetLogicalKind.Bson or ParquetLogicalKind.Uuid;

    private static (byte[]?, byte[]?) Bounds<T>(IEnumerable<T> values, Func<T, byte[]> store)
        where T : struct, IComparable<T>
    {
        T? smallest = null;
        T? largest = null;
        foreach (T value in values)
        {
            smallest = smallest is T low && low.CompareTo(value) <= 0 ? low : value;
            largest = largest is T high && high.CompareTo(value) >= 0 ? high : value;
        }

        return smallest is T a && largest is T b ? (store(a), store(b)) : (null, null);
    }

    // NaN has no place in the order, and a zero bound must cover both zeros.
    private static (byte[]?, byte[]?) RealBounds(IEnumerable<double> values, Func<double, byte[]> store)
    {
        (double low, double high, bool any) = (double.PositiveInfinity, double.NegativeInfinity, false);
        foreach (double value in values)
        {
            if (double.IsNaN(value))
            {
                continue;
            }

            (low, high, any) = (Math.Min(low, value), Math.Max(high, value), true);
        }

        return any ? (store(low == 0 ? -0.0 : low), store(high == 0 ? 0.0 : high)) : (null, null);
    }

    private static (byte[]?, byte[]?) ByteBounds(IEnumerable<byte[]> values)
    {
        byte[]? low = null;
        byte[]? high = null;
        foreach (byte[] value in values)
        {
            low = low is not null && low.AsSpan().SequenceCompareTo(value) <= 0 ? low : value;
            high = high is not null && high.AsSpan().SequenceCompareTo(value) >= 0 ? high : value;
        }

        return low?.Length <= LongestBound && high?.Length <= LongestBound ? (low, high) : (null, null);
    }

    private static (byte[]?, byte[]?) DecimalBounds(IEnumerable<byte[]> values)
    {
        byte[]? low = null;
        byte[]? high = null;
        foreach (byte[] value in values)
        {
            low = low is not null && Unscaled(low) <= Unscaled(value) ? low : value;
            high = high is not null && Unscaled(high) >= Unscaled(value) ? high : value;
        }

        return (low, high);

        static BigInteger Unscaled(byte[] value) => new(value, isBigEndian: true);
    }

    private sealed class BytesEquality : IEqualityComparer<byte[]>
    {
        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj)
        {
            HashCode hash = default;
            hash.AddBytes(obj);
            return hash.ToHashCode();
        }
    }

    // By bits: the two zeros and all kinds of NaN must come back as they were.
    private sealed class DoubleEquality : IEqualityComparer<double>
    {
        public bool Equals(double x, double y) => BitConverter.DoubleToInt64Bits(x) == BitConverter.DoubleToInt64Bits(y);

        public int GetHashCode(double obj) => BitConverter.DoubleToInt64Bits(obj).GetHashCode();
    }

    private sealed class SingleEquality : IEqualityComparer<float>
    {
        public bool Equals(float x, float y) => BitConverter.SingleToInt32Bits(x) == BitConverter.SingleToInt32Bits(y);

        public int GetHashCode(float obj) => BitConverter.SingleToInt32Bits(obj);
    }
}
