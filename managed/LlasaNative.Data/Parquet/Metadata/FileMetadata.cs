namespace LlasaNative.Data.Parquet;

/// <summary>The footer of a file.</summary>
internal sealed class FileMetadata
{
    public List<SchemaElement> Elements { get; } = [];

    public List<ParquetRowGroup> RowGroups { get; } = [];

    public Dictionary<string, string> KeyValues { get; } = [];

    public long RowCount { get; private set; }

    public string CreatedBy { get; private set; } = string.Empty;

    public static FileMetadata Read(ReadOnlySpan<byte> footer)
    {
        ThriftReader reader = new(footer);
        FileMetadata result = new();
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 2:
                    for (int i = reader.ReadList(type, out ThriftType element); i > 0; i--)
                    {
                        result.Elements.Add(SchemaElement.Read(ref reader, element));
                    }

                    break;
                case 3:
                    result.RowCount = reader.ReadI64(type);
                    break;
                case 4:
                    for (int i = reader.ReadList(type, out ThriftType element); i > 0; i--)
                    {
                        result.RowGroups.Add(ReadRowGroup(ref reader, element));
                    }

                    break;
                case 5:
                    for (int i = reader.ReadList(type, out ThriftType element); i > 0; i--)
                    {
                        (string key, string value) = ReadKeyValue(ref reader, element);
                        result.KeyValues[key] = value;
                    }

                    break;
                case 6:
                    result.CreatedBy = reader.ReadString(type);
                    break;
                case 8:
                    throw new ParquetException("encrypted files are not supported");
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return result;
    }

    private static (string Key, string Value) ReadKeyValue(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        (string key, string value, int field) = (string.Empty, string.Empty, 0);
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    key = reader.ReadString(type);
                    break;
                case 2:
                    value = reader.ReadString(type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return (key, value);
    }

    private static ParquetRowGroup ReadRowGroup(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        ParquetRowGroup group = new();
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    List<ParquetColumnChunk> columns = [];
                    for (int i = reader.ReadList(type, out ThriftType element); i > 0; i--)
                    {
                        columns.Add(ReadChunk(ref reader, element));
                    }

                    group.Columns = columns;
                    break;
                case 2:
                    group.TotalBytes = reader.ReadI64(type);
                    break;
                case 3:
                    group.RowCount = reader.ReadI64(type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return group;
    }

    private static ParquetColumnChunk ReadChunk(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        ParquetColumnChunk chunk = new();
        (bool described, int field) = (false, 0);
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    chunk.IsElsewhere = reader.ReadBinary(type).Length > 0;
                    break;
                case 3:
                    ReadChunkMetadata(ref reader, type, chunk);
                    described = true;
                    break;
                case 8 or 9:
                    reader.Skip(type);
                    chunk.IsEncrypted = true;
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        return described || chunk.IsEncrypted ? chunk : throw new ParquetException("a column chunk has no metadata");
    }

    private static void ReadChunkMetadata(ref ThriftReader reader, ThriftType outer, ParquetColumnChunk chunk)
    {
        ThriftReader.ExpectStruct(outer);
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    chunk.PhysicalType = SchemaElement.EnumOf<ParquetPhysicalType>(reader.ReadI32(type), "a stored type");
                    break;
                case 2:
                    List<ParquetEncoding> encodings = [];
                    for (int i = reader.ReadList(type, out ThriftType element); i > 0; i--)
                    {
                        encodings.Add((ParquetEncoding)reader.ReadI32(element));
                    }

                    chunk.Encodings = encodings;
                    break;
                case 3:
                    List<string> path = [];
                    for (int i = reader.ReadList(type, out ThriftType element); i > 0; i--)
                    {
                        path.Add(reader.ReadString(element));
                    }

                    chunk.PathInSchema = path;
                    break;
                case 4:
                    chunk.Codec = SchemaElement.EnumOf<ParquetCodec>(reader.ReadI32(type), "a compression");
                    break;
                case 5:
                    chunk.ValueCount = reader.ReadI64(type);
                    break;
                case 6:
                    chunk.UncompressedBytes = reader.ReadI64(type);
                    break;
                case 7:
                    chunk.CompressedBytes = reader.ReadI64(type);
                    break;
                case 9:
                    chunk.DataPageOffset = reader.ReadI64(type);
                    break;
                case 11:
                    chunk.DictionaryPageOffset = reader.ReadI64(type);
                    break;
                case 12:
                    chunk.Statistics = ParquetStatistics.Read(ref reader, type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }
    }
}
