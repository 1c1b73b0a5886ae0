namespace LlasaNative.Data.Parquet;

/// <summary>The header before every page.</summary>
internal struct PageHeader
{
    public const int DataPage = 0;
    public const int IndexPage = 1;
    public const int DictionaryPage = 2;
    public const int DataPageV2 = 3;

    public PageHeader()
    {
    }

    public int Type { get; set; } = -1;

    public int UncompressedBytes { get; set; } = -1;

    public int CompressedBytes { get; set; } = -1;

    public int? Crc { get; set; }

    public int ValueCount { get; set; } = -1;

    public int NullCount { get; set; } = -1;

    public int RowCount { get; set; } = -1;

    public ParquetEncoding Encoding { get; set; }

    public ParquetEncoding DefinitionEncoding { get; set; } = ParquetEncoding.Rle;

    public ParquetEncoding RepetitionEncoding { get; set; } = ParquetEncoding.Rle;

    public int DefinitionBytes { get; set; }

    public int RepetitionBytes { get; set; }

    public bool IsCompressed { get; set; } = true;

    public static PageHeader Read(ref ThriftReader reader)
    {
        PageHeader header = new();
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    header.Type = reader.ReadI32(type);
                    break;
                case 2:
                    header.UncompressedBytes = reader.ReadI32(type);
                    break;
                case 3:
                    header.CompressedBytes = reader.ReadI32(type);
                    break;
                case 4:
                    header.Crc = reader.ReadI32(type);
                    break;
                case 5 when header.Type == DataPage:
                case 7 when header.Type == DictionaryPage:
                    header.ReadDetailsV1(ref reader, type);
                    break;
                case 8 when header.Type == DataPageV2:
                    header.ReadDetailsV2(ref reader, type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }

        bool holdsValues = header.Type is DataPage or DictionaryPage or DataPageV2;
        if (header.CompressedBytes < 0 || header.UncompressedBytes < 0 || header.Type < 0 || (holdsValues && header.ValueCount < 0))
        {
            throw new ParquetException("a page header lacks its type, sizes or number of values, or they are negative");
        }

        return header;
    }

    // The header of a data page and that of a dictionary page begin with the same two fields.
    private void ReadDetailsV1(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    ValueCount = reader.ReadI32(type);
                    break;
                case 2:
                    Encoding = (ParquetEncoding)reader.ReadI32(type);
                    break;
                case 3 when Type == DataPage:
                    DefinitionEncoding = (ParquetEncoding)reader.ReadI32(type);
                    break;
                case 4 when Type == DataPage:
                    RepetitionEncoding = (ParquetEncoding)reader.ReadI32(type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }
    }

    private void ReadDetailsV2(ref ThriftReader reader, ThriftType outer)
    {
        ThriftReader.ExpectStruct(outer);
        int field = 0;
        while (reader.NextField(ref field, out ThriftType type))
        {
            switch (field)
            {
                case 1:
                    ValueCount = reader.ReadI32(type);
                    break;
                case 2:
                    NullCount = reader.ReadI32(type);
                    break;
                case 3:
                    RowCount = reader.ReadI32(type);
                    break;
                case 4:
                    Encoding = (ParquetEncoding)reader.ReadI32(type);
                    break;
                case 5:
                    DefinitionBytes = reader.ReadI32(type);
                    break;
                case 6:
                    RepetitionBytes = reader.ReadI32(type);
                    break;
                case 7:
                    IsCompressed = ThriftReader.ReadBoolean(type);
                    break;
                default:
                    reader.Skip(type);
                    break;
            }
        }
    }
}
