namespace LlasaNative.Data.Parquet;

/// <summary>What one step of a time or timestamp means.</summary>
public enum ParquetTimeUnit
{
    /// <summary>10⁻³ s.</summary>
    Milliseconds = 0,

    /// <summary>10⁻⁶ s.</summary>
    Microseconds = 1,

    /// <summary>10⁻⁹ s.</summary>
    Nanoseconds = 2,
}
