using Apache.Arrow.Types;

namespace LlasaNative.Data.Parquet;

/// <summary>A time of day, a point in time or a length of time, exactly as stored.</summary>
/// <param name="Value">Steps since midnight, since 1970-01-01 00:00, or of the length.</param>
/// <param name="Unit">What one step is.</param>
public readonly record struct ParquetTime(long Value, TimeUnit Unit);
