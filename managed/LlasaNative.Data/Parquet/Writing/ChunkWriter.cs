using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace LlasaNative.Data.Parquet;

/// <summary>Writes one column chunk: the dictionary, pages with indices, then pages with values.</summary>
internal sealed class ChunkWriter<T>(ParquetField column, ParquetWriteOptions options, ParquetEncoding encoding, PageSink sink)
    where T : notnull
{
    private readonly ArrayBufferWriter<byte> _repetition = new();
    private readonly ArrayBufferWriter<byte> _definition = new();
    private readonly ArrayBufferWriter<byte> _values = new();

    /// <param name="levels">The levels of all entries.</param>
    /// <param name="dictionary">Distinct values.</param>
    /// <param name="indices">Places in the dictionary of the first values.</param>
    /// <param name="values">The values behind those.</param>
    public ParquetColumnChunk Write(ColumnBuffer levels, List<T> dictionary, List<int> indices, List<T> values)
    {
        (long start, long uncompressed) = (sink.Position, sink.UncompressedBytes);
        SortedSet<ParquetEncoding> encodings = [ParquetEncoding.Rle];
        long? dictionaryOffset = null;
        if (indices.Count > 0)
        {
            dictionaryOffset = start;
            _values.ResetWrittenCount();
            ValueEncoders.Encode(_values, column, ParquetEncoding.Plain, CollectionsMarshal.AsSpan(dictionary));
            sink.Write(PageHeader.DictionaryPage, dictionary.Count, ParquetEncoding.Plain, _values.WrittenSpan);
            encodings.Add(ParquetEncoding.Plain);
            encodings.Add(ParquetEncoding.RleDictionary);
        }

        if (values.Count > 0 || indices.Count == 0)
        {
            encodings.Add(encoding);
        }

        long dataOffset = sink.Position;
        WritePages(levels, dictionary, CollectionsMarshal.AsSpan(indices), CollectionsMarshal.AsSpan(values));
        return new ParquetColumnChunk
        {
            PhysicalType = column.PhysicalType!.Value,
            Encodings = [.. encodings],
            Codec = options.Codec,
            ValueCount = levels.Definition.Count,
            CompressedBytes = sink.Position - start,
            UncompressedBytes = sink.UncompressedBytes - uncompressed,
            DataPageOffset = dataOffset,
            DictionaryPageOffset = dictionaryOffset,
        };
    }

    private void WritePages(ColumnBuffer levels, List<T> dictionary, ReadOnlySpan<int> indices, ReadOnlySpan<T> values)
    {
        ReadOnlySpan<byte> repetition = CollectionsMarshal.AsSpan(levels.Repetition);
        ReadOnlySpan<byte> definition = CollectionsMarshal.AsSpan(levels.Definition);
        int indexWidth = dictionary.Count <= 1 ? 0 : int.Log2(dictionary.Count - 1) + 1;
        int entry = 0;
        while (entry < definition.Length)
        {
            bool usesIndices = !indices.IsEmpty;
            (int end, int rows, int count) = (entry, 0, 0);
            long bytes = 0;
            while (end < definition.Length)
            {
                // A page ends before a row: when it is full, or when the indices are used up.
                bool startsRow = repetition[end] == 0;
                if (startsRow && end > entry
                    && (bytes >= options.PageBytes || rows >= options.PageRows || (usesIndices && count == indices.Length && !values.IsEmpty)))
                {
                    break;
                }

                rows += startsRow ? 1 : 0;
                if (definition[end++] == column.MaxDefinitionLevel)
                {
                    bytes += usesIndices ? (indexWidth + 7) / 8 : ColumnBuffer<T>.SizeOf(values[count]);
                    count++;
                }
            }

            _values.ResetWrittenCount();
            if (usesIndices)
            {
                RleEncoder.PutByte(_values, (byte)indexWidth);
                RleEncoder.Encode(_values, indices[..count], indexWidth);
                indices = indices[count..];
            }
            else
            {
                ValueEncoders.Encode(_values, column, encoding, values[..count]);
                values = values[count..];
            }

            WritePage(
                (end - entry, end - entry - count, rows), usesIndices ? ParquetEncoding.RleDictionary : encoding,
                repetition[entry..end], definition[entry..end]);
            entry = end;
        }
    }

    private void WritePage(
        (int Values, int Nulls, int Rows) counts, ParquetEncoding used, ReadOnlySpan<byte> repetition, ReadOnlySpan<byte> definition)
    {
        EncodeLevels(_repetition, repetition, column.MaxRepetitionLevel);
        EncodeLevels(_definition, definition, column.MaxDefinitionLevel);
        if (options.PageVersion == 2)
        {
            sink.WriteV2(counts, used, _repetition.WrittenSpan, _definition.WrittenSpan, _values.WrittenSpan);
            return;
        }

        ArrayBufferWriter<byte> body = new();
        AppendLevels(body, _repetition, column.MaxRepetitionLevel);
        AppendLevels(body, _definition, column.MaxDefinitionLevel);
        body.Write(_values.WrittenSpan);
        sink.Write(PageHeader.DataPage, counts.Values, used, body.WrittenSpan);
    }

    private static void EncodeLevels(ArrayBufferWriter<byte> output, ReadOnlySpan<byte> levels, int maxLevel)
    {
        output.ResetWrittenCount();
        if (maxLevel > 0)
        {
            RleEncoder.Encode(output, levels, int.Log2(maxLevel) + 1);
        }
    }

    private static void AppendLevels(ArrayBufferWriter<byte> body, ArrayBufferWriter<byte> runs, int maxLevel)
    {
        if (maxLevel > 0)
        {
            BinaryPrimitives.WriteInt32LittleEndian(body.GetSpan(4), runs.WrittenCount);
            body.Advance(4);
            body.Write(runs.WrittenSpan);
        }
    }
}
