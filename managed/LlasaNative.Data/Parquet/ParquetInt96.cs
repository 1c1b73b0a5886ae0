using System.Runtime.InteropServices;

namespace LlasaNative.Data.Parquet;

/// <summary>A legacy 96-bit timestamp: nanoseconds of a day and the day's Julian number.</summary>
/// <param name="NanosecondsOfDay">Nanoseconds since midnight.</param>
/// <param name="JulianDay">Julian day number; 1970-01-01 is 2440588.</param>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public readonly record struct ParquetInt96(long NanosecondsOfDay, int JulianDay)
{
    /// <summary>The point in time, in nanoseconds since 1970-01-01.</summary>
    /// <returns>A timestamp in UTC.</returns>
    /// <exception cref="ParquetException">It does not fit 64 bits (about the years 1677 to 2262).</exception>
    public ParquetTimestamp ToTimestamp()
    {
        Int128 value = (((Int128)JulianDay - 2440588) * 86_400_000_000_000) + NanosecondsOfDay;
        return value >= long.MinValue && value <= long.MaxValue
            ? new ParquetTimestamp((long)value, ParquetTimeUnit.Nanoseconds, true)
            : throw new ParquetException($"96-bit timestamp of Julian day {JulianDay} does not fit 64-bit nanoseconds");
    }
}
