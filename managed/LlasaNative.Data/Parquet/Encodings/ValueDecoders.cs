namespace LlasaNative.Data.Parquet;

/// <summary>Chooses the decoder for a stored type and an encoding.</summary>
internal static class ValueDecoders
{
    /// <summary>Makes a decoder; dictionary indices are not made here.</summary>
    /// <typeparam name="T">The .NET type of the column's stored type.</typeparam>
    public static ValueDecoder<T> Create<T>(ParquetField column, ParquetEncoding encoding, ReadOnlyMemory<byte> bytes, int limit)
    {
        ParquetPhysicalType type = column.PhysicalType!.Value;
        object? decoder = encoding switch
        {
            ParquetEncoding.Plain => type switch
            {
                ParquetPhysicalType.Boolean => new PlainBooleanDecoder(bytes),
                ParquetPhysicalType.Int32 => new PlainNumberDecoder<int>(bytes),
                ParquetPhysicalType.Int64 => new PlainNumberDecoder<long>(bytes),
                ParquetPhysicalType.Int96 => new PlainNumberDecoder<ParquetInt96>(bytes),
                ParquetPhysicalType.Float => new PlainNumberDecoder<float>(bytes),
                ParquetPhysicalType.Double => new PlainNumberDecoder<double>(bytes),
                ParquetPhysicalType.ByteArray => new PlainByteArrayDecoder(bytes),
                _ => new PlainFixedDecoder(bytes, column.TypeLength),
            },
            ParquetEncoding.Rle when type == ParquetPhysicalType.Boolean => new RleBooleanDecoder(bytes),
            ParquetEncoding.DeltaBinaryPacked when type == ParquetPhysicalType.Int32 => new DeltaInt32Decoder(bytes),
            ParquetEncoding.DeltaBinaryPacked when type == ParquetPhysicalType.Int64 => new DeltaInt64Decoder(bytes),
            ParquetEncoding.DeltaLengthByteArray when type == ParquetPhysicalType.ByteArray => new DeltaLengthDecoder(bytes, limit),
            ParquetEncoding.DeltaByteArray when type is ParquetPhysicalType.ByteArray or ParquetPhysicalType.FixedLengthByteArray =>
                new DeltaByteArrayDecoder(bytes, column.TypeLength, limit),
            ParquetEncoding.ByteStreamSplit => type switch
            {
                ParquetPhysicalType.Int32 => new SplitNumberDecoder<int>(bytes),
                ParquetPhysicalType.Int64 => new SplitNumberDecoder<long>(bytes),
                ParquetPhysicalType.Float => new SplitNumberDecoder<float>(bytes),
                ParquetPhysicalType.Double => new SplitNumberDecoder<double>(bytes),
                ParquetPhysicalType.FixedLengthByteArray => new SplitFixedDecoder(bytes, column.TypeLength),
                _ => null,
            },
            _ => null,
        };
        return decoder as ValueDecoder<T>
            ?? throw new ParquetException($"encoding {encoding} of {type} is not supported");
    }
}
