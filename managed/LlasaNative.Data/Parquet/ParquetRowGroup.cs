namespace LlasaNative.Data.Parquet;

/// <summary>A run of rows that lies together in the file, as the footer describes it.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record ParquetRowGroup
{
    internal ParquetRowGroup()
    {
    }

    /// <summary>Number of rows.</summary>
    public long RowCount { get; internal set; }

    /// <summary>Index of the first row within the file.</summary>
    public long FirstRow { get; internal set; }

    /// <summary>Bytes of all column chunks before compression.</summary>
    public long TotalBytes { get; internal set; }

    /// <summary>One chunk for each column of the schema, in its order.</summary>
    public IReadOnlyList<ParquetColumnChunk> Columns { get; internal set; } = [];
}
