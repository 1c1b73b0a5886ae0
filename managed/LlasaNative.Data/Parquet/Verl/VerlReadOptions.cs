namespace LlasaNative.Data.Parquet;

/// <summary>What happens to rows that do not fit verl's schema.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record VerlReadOptions
{
    /// <summary>What is used when nothing is given: such a row ends reading with its error.</summary>
    public static VerlReadOptions Default { get; } = new();

    /// <summary>Whether such a row is left out instead.</summary>
    public bool SkipMalformed { get; init; }

    /// <summary>Is told of every row that is left out, with file, row group and row; may be null.</summary>
    public Action<ParquetException>? OnSkipped { get; init; }
}
