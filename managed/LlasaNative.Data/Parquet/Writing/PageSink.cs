namespace LlasaNative.Data.Parquet;

/// <summary>Writes pages with their headers and counts bytes.</summary>
internal sealed class PageSink(Stream output, ParquetWriteOptions options)
{
    /// <summary>Bytes written to the file so far.</summary>
    public long Position { get; private set; }

    /// <summary>Bytes of pages and headers as they would be without compression.</summary>
    public long UncompressedBytes { get; private set; }

    public void WriteRaw(ReadOnlySpan<byte> bytes)
    {
        output.Write(bytes);
        Position += bytes.Length;
    }

    /// <summary>Writes a dictionary page or a data page of version 1.</summary>
    public void Write(int type, int count, ParquetEncoding encoding, ReadOnlySpan<byte> body)
    {
        byte[] stored = PageCompression.Compress(options.Codec, body);
        ThriftWriter header = Begin(type, body.Length, stored.Length, Crc32.Compute(stored));
        header.BeginStruct(type == PageHeader.DictionaryPage ? 7 : 5);
        header.Field(1, count);
        header.Field(2, (int)encoding);
        if (type == PageHeader.DataPage)
        {
            header.Field(3, (int)ParquetEncoding.Rle);
            header.Field(4, (int)ParquetEncoding.Rle);
        }

        header.EndStruct();
        End(header, body.Length);
        WriteRaw(stored);
    }

    /// <summary>Writes a data page of version 2; its levels are not compressed, nor its values where that makes them longer.</summary>
    public void WriteV2(
        (int Values, int Nulls, int Rows) counts,
        ParquetEncoding encoding,
        ReadOnlySpan<byte> repetition,
        ReadOnlySpan<byte> definition,
        ReadOnlySpan<byte> values)
    {
        byte[] stored = PageCompression.Compress(options.Codec, values);
        bool isCompressed = options.Codec != ParquetCodec.None && stored.Length < values.Length;
        ReadOnlySpan<byte> body = isCompressed ? stored : values;
        int levels = repetition.Length + definition.Length;
        uint crc = Crc32.Append(Crc32.Append(Crc32.Compute(repetition), definition), body);
        ThriftWriter header = Begin(PageHeader.DataPageV2, levels + values.Length, levels + body.Length, crc);
        header.BeginStruct(8);
        header.Field(1, counts.Values);
        header.Field(2, counts.Nulls);
        header.Field(3, counts.Rows);
        header.Field(4, (int)encoding);
        header.Field(5, definition.Length);
        header.Field(6, repetition.Length);
        header.Field(7, isCompressed);
        header.EndStruct();
        End(header, levels + values.Length);
        WriteRaw(repetition);
        WriteRaw(definition);
        WriteRaw(body);
    }

    private ThriftWriter Begin(int type, int uncompressed, int compressed, uint crc)
    {
        ThriftWriter header = new();
        header.BeginElement();
        header.Field(1, type);
        header.Field(2, uncompressed);
        header.Field(3, compressed);
        if (options.WriteChecksums)
        {
            header.Field(4, (int)crc);
        }

        return header;
    }

    private void End(ThriftWriter header, int uncompressed)
    {
        header.EndStruct();
        WriteRaw(header.Written);
        UncompressedBytes += header.Written.Length + uncompressed;
    }
}
