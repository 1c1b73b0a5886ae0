namespace LlasaNative.Data.Parquet;

/// <summary>How a file is written.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record ParquetWriteOptions
{
    /// <summary>What is used when nothing is given: Snappy, dictionaries, pages of version 1, statistics and checksums.</summary>
    public static ParquetWriteOptions Default { get; } = new();

    /// <summary>Compression of all pages.</summary>
    public ParquetCodec Codec { get; init; } = ParquetCodec.Snappy;

    /// <summary>Version of the data pages, 1 or 2.</summary>
    public int PageVersion { get; init; } = 1;

    /// <summary>Whether columns start with a dictionary.</summary>
    public bool UseDictionary { get; init; } = true;

    /// <summary>Bytes of a dictionary at which a column goes on without one, from its next row.</summary>
    public int DictionaryBytes { get; init; } = 1 << 20;

    /// <summary>Bytes of values at which a page ends, after the row it is in.</summary>
    public int PageBytes { get; init; } = 1 << 20;

    /// <summary>Rows at which a page ends.</summary>
    public int PageRows { get; init; } = 20_000;

    /// <summary>Rows at which a row group ends.</summary>
    public int RowGroupRows { get; init; } = 100_000;

    /// <summary>Bytes held in memory at which a row group ends.</summary>
    public long RowGroupBytes { get; init; } = 128L << 20;

    /// <summary>Whether column chunks say their smallest and largest value and their number of nulls.</summary>
    public bool WriteStatistics { get; init; } = true;

    /// <summary>Whether pages carry a checksum.</summary>
    public bool WriteChecksums { get; init; } = true;

    /// <summary>Encoding of values outside dictionaries, by path of the column; plain for columns that are not named.</summary>
    public IReadOnlyDictionary<string, ParquetEncoding> Encodings { get; init; } = new Dictionary<string, ParquetEncoding>();

    /// <summary>Texts to store beside the data, by key.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>Lists everything that is wrong.</summary>
    /// <exception cref="UsageException">An option is out of its range.</exception>
    internal void Validate()
    {
        List<string> faults = [];
        if (PageVersion is not (1 or 2))
        {
            faults.Add($"the page version is 1 or 2, not {PageVersion}");
        }

        if (Codec is ParquetCodec.Lzo or ParquetCodec.Lz4Hadoop || !Enum.IsDefined(Codec))
        {
            faults.Add($"compression {Codec} cannot be written");
        }

        if (DictionaryBytes < 0 || PageBytes < 1 || PageRows < 1 || RowGroupRows < 1 || RowGroupBytes < 1)
        {
            faults.Add("the sizes of dictionaries, pages and row groups must be positive");
        }

        if (faults.Count > 0)
        {
            throw new UsageException($"Parquet: {string.Join("; ", faults)}");
        }
    }
}
