namespace LlasaNative.Data.Parquet;

/// <summary>The part of a column that lies in one row group, as the footer describes it.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record ParquetColumnChunk
{
    internal ParquetColumnChunk()
    {
    }

    /// <summary>How values are stored.</summary>
    public ParquetPhysicalType PhysicalType { get; internal set; }

    /// <summary>Encodings that occur in the chunk, levels included.</summary>
    public IReadOnlyList<ParquetEncoding> Encodings { get; internal set; } = [];

    /// <summary>Names from below the root to the column.</summary>
    public IReadOnlyList<string> PathInSchema { get; internal set; } = [];

    /// <summary>Compression of the pages.</summary>
    public ParquetCodec Codec { get; internal set; }

    /// <summary>Values including nulls and the placeholders of empty lists.</summary>
    public long ValueCount { get; internal set; }

    /// <summary>Bytes of all pages with their headers before compression.</summary>
    public long UncompressedBytes { get; internal set; }

    /// <summary>Bytes of all pages with their headers in the file.</summary>
    public long CompressedBytes { get; internal set; }

    /// <summary>Offset of the first data page in the file.</summary>
    public long DataPageOffset { get; internal set; }

    /// <summary>Offset of the dictionary page in the file; null when there is none.</summary>
    public long? DictionaryPageOffset { get; internal set; }

    /// <summary>What the writer says about the values; null when it says nothing.</summary>
    public ParquetStatistics? Statistics { get; internal set; }

    internal bool IsElsewhere { get; set; }

    internal bool IsEncrypted { get; set; }

    internal long Start => DictionaryPageOffset is long offset and > 0 && offset < DataPageOffset ? offset : DataPageOffset;
}
