namespace LlasaNative.Data.Parquet;

/// <summary>A time of day, exactly as stored.</summary>
/// <param name="Value">Steps since midnight.</param>
/// <param name="Unit">What one step is.</param>
/// <param name="IsUtc">Whether it is in UTC; otherwise it is local to an unknown place.</param>
public readonly record struct ParquetTime(long Value, ParquetTimeUnit Unit, bool IsUtc)
{
    /// <summary>The same time in steps of 100 ns; nanoseconds are cut.</summary>
    /// <returns>The time of day.</returns>
    /// <exception cref="ParquetException">The stored number is not within one day.</exception>
    public TimeOnly ToTimeOnly()
    {
        Int128 ticks = ParquetTimestamp.Ticks(Value, Unit);
        return ticks >= 0 && ticks < TimeSpan.TicksPerDay
            ? new TimeOnly((long)ticks)
            : throw new ParquetException($"time of day {Value} ({Unit}) is not within one day");
    }
}
