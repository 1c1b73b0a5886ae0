using ParquetSharp;

namespace LlasaNative.Data.Parquet;

/// <summary>How a file is written.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record ParquetWriteOptions
{
    /// <summary>What is used when nothing is given: Snappy, dictionaries, pages of version 1, statistics and checksums.</summary>
    public static ParquetWriteOptions Default { get; } = new();

    /// <summary>Compression of all pages; <see cref="ParquetSharp.Compression.Lz4"/> is the raw kind.</summary>
    public Compression Compression { get; init; } = Compression.Snappy;

    /// <summary>Rows at which a row group ends; it ends earlier at 128 MiB of values.</summary>
    public int RowGroupRows { get; init; } = 100_000;

    /// <summary>Lists everything that is wrong.</summary>
    /// <exception cref="UsageException">An option is out of its range.</exception>
    internal void Validate()
    {
        List<string> faults = [];
        if (Compression is not (Compression.Uncompressed or Compression.Snappy or Compression.Gzip or Compression.Brotli or Compression.Zstd or Compression.Lz4))
        {
            faults.Add($"compression {Compression} cannot be written");
        }

        if (RowGroupRows < 1)
        {
            faults.Add($"a row group has at least one row, not {RowGroupRows}");
        }

        UsageException.ThrowIf(faults.Count > 0, $"Parquet: {string.Join("; ", faults)}");
    }
}
