namespace LlasaNative.Data.Parquet;

/// <summary>A point in time, exactly as stored.</summary>
/// <param name="Value">Steps since 1970-01-01 00:00.</param>
/// <param name="Unit">What one step is.</param>
/// <param name="IsUtc">Whether it is in UTC; otherwise it is local to an unknown place.</param>
public readonly record struct ParquetTimestamp(long Value, ParquetTimeUnit Unit, bool IsUtc)
{
    /// <summary>The same point in steps of 100 ns; nanoseconds are cut towards the past.</summary>
    /// <returns>A date of kind UTC or unspecified.</returns>
    /// <exception cref="ParquetException">The year is outside 1 to 9999.</exception>
    public DateTime ToDateTime()
    {
        Int128 ticks = Ticks(Value, Unit) + DateTime.UnixEpoch.Ticks;
        return ticks >= 0 && ticks <= DateTime.MaxValue.Ticks
            ? new DateTime((long)ticks, IsUtc ? DateTimeKind.Utc : DateTimeKind.Unspecified)
            : throw new ParquetException($"timestamp {Value} ({Unit}) is outside the years 1 to 9999");
    }

    internal static Int128 Ticks(long value, ParquetTimeUnit unit) => unit switch
    {
        ParquetTimeUnit.Milliseconds => (Int128)value * TimeSpan.TicksPerMillisecond,
        ParquetTimeUnit.Microseconds => (Int128)value * TimeSpan.TicksPerMicrosecond,
        _ => value >= 0 ? value / 100 : ((value + 1) / 100) - 1,
    };
}
