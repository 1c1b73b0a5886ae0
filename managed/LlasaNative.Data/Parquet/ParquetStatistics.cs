namespace LlasaNative.Data.Parquet;

/// <summary>What the writer says about the values of a column chunk or page; each part may be absent.</summary>
/// <param name="Minimum">Smallest value in plain encoding without length; null when absent.</param>
/// <param name="Maximum">Largest value in plain encoding without length; null when absent.</param>
/// <param name="NullCount">Number of nulls; null when absent.</param>
/// <param name="DistinctCount">Number of distinct values; null when absent.</param>
/// <param name="IsMinimumExact">Whether the minimum occurs in the data; otherwise it is a lower bound.</param>
/// <param name="IsMaximumExact">Whether the maximum occurs in the data; otherwise it is an upper bound.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record ParquetStatistics(
    ReadOnlyMemory<byte>? Minimum,
    ReadOnlyMemory<byte>? Maximum,
    long? NullCount,
    long? DistinctCount,
    bool IsMinimumExact,
    bool IsMaximumExact)
{
    internal static ParquetStatistics Read(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        (byte[]? oldMinimum, byte[]? oldMaximum, byte[]? minimum, byte[]? maximum) = (null, null, null, null);
        (long? nulls, long? distinct, bool exactMinimum, bool exactMaximum) = (null, null, true, true);
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    oldMaximum = reader.ReadBinary(type).ToArray();
                    break;
                case 2:
                    oldMinimum = reader.ReadBinary(type).ToArray();
                    break;
                case 3:
                    nulls = reader.ReadI64(type);
                    break;
                case 4:
                    distinct = reader.ReadI64(type);
                    break;
                case 5:
                    maximum = reader.ReadBinary(type).ToArray();
                    break;
                case 6:
                    minimum = reader.ReadBinary(type).ToArray();
                    break;
                case 7:
                    exactMaximum = ThriftReader.ReadBoolean(type);
                    break;
                case 8:
                    exactMinimum = ThriftReader.ReadBoolean(type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        // The old pair was compared as signed bytes by some writers; it is given as found.
        return new ParquetStatistics(
            Optional(minimum ?? oldMinimum), Optional(maximum ?? oldMaximum), nulls, distinct, exactMinimum, exactMaximum);
    }

    // The implicit conversion would make an empty value of an absent one.
    private static ReadOnlyMemory<byte>? Optional(byte[]? bytes) => bytes is null ? null : new ReadOnlyMemory<byte>(bytes);

    internal void Write(ThriftWriter writer, int field)
    {
        writer.BeginStruct(field);
        if (NullCount is long nulls)
        {
            writer.Field(3, nulls);
        }

        if (DistinctCount is long distinct)
        {
            writer.Field(4, distinct);
        }

        if (Maximum is { } maximum && Minimum is { } minimum)
        {
            writer.Field(5, maximum.Span);
            writer.Field(6, minimum.Span);
            writer.Field(7, IsMaximumExact);
            writer.Field(8, IsMinimumExact);
        }

        writer.EndStruct();
    }
}
