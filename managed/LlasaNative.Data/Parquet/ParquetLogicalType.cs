namespace LlasaNative.Data.Parquet;

/// <summary>What the stored values or groups of a field mean, with parameters.</summary>
/// <param name="Kind">The meaning.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record ParquetLogicalType(ParquetLogicalKind Kind)
{
    /// <summary>Nothing beyond the stored type.</summary>
    public static ParquetLogicalType None { get; } = new(ParquetLogicalKind.None);

    /// <summary>UTF-8 text.</summary>
    public static ParquetLogicalType Text { get; } = new(ParquetLogicalKind.Text);

    /// <summary>Digits after the point of a decimal, at least 0.</summary>
    public int Scale { get; init; }

    /// <summary>Digits of a decimal, at least 1 for decimals.</summary>
    public int Precision { get; init; }

    /// <summary>Bits of an integer: 8, 16, 32 or 64; 0 for other kinds.</summary>
    public int BitWidth { get; init; }

    /// <summary>Whether an integer has a sign.</summary>
    public bool IsSigned { get; init; }

    /// <summary>Step of a time or timestamp.</summary>
    public ParquetTimeUnit Unit { get; init; }

    /// <summary>Whether a time or timestamp is in UTC; otherwise it is local to an unknown place.</summary>
    public bool IsUtc { get; init; }
}
