namespace LlasaNative.Data.Parquet;

/// <summary>How a file is read.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record ParquetReadOptions
{
    /// <summary>What is used when nothing is given.</summary>
    public static ParquetReadOptions Default { get; } = new();

    /// <summary>Whether the checksums of pages that have one are compared.</summary>
    public bool VerifyChecksums { get; init; } = true;

    /// <summary>Largest page, expanded, that is accepted, in bytes. Writers make pages of about one mebibyte.</summary>
    public int MaxPageBytes { get; init; } = 512 << 20;
}
