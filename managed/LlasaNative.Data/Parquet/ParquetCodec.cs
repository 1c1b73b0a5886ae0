namespace LlasaNative.Data.Parquet;

/// <summary>How the pages of a column are compressed. The numbers are those of the format.</summary>
public enum ParquetCodec
{
    /// <summary>Not compressed.</summary>
    None = 0,

    /// <summary>Snappy, block format.</summary>
    Snappy = 1,

    /// <summary>Gzip; several members in a row are one page.</summary>
    Gzip = 2,

    /// <summary>LZO; not supported.</summary>
    Lzo = 3,

    /// <summary>Brotli.</summary>
    Brotli = 4,

    /// <summary>LZ4 in Hadoop's frames (deprecated); read only.</summary>
    Lz4Hadoop = 5,

    /// <summary>Zstandard.</summary>
    Zstd = 6,

    /// <summary>LZ4, raw block.</summary>
    Lz4Raw = 7,
}
