namespace LlasaNative.Data.Parquet;

#pragma warning disable CA1720 // The members carry the names of the format.

/// <summary>What the stored values or groups mean.</summary>
public enum ParquetLogicalKind
{
    /// <summary>Nothing beyond the stored type.</summary>
    None,

    /// <summary>UTF-8 text, read as <see cref="string"/>.</summary>
    Text,

    /// <summary>Name of an enumeration's member, read as <see cref="string"/>.</summary>
    Enumeration,

    /// <summary>JSON text, read as <see cref="string"/>.</summary>
    Json,

    /// <summary>BSON, read as bytes.</summary>
    Bson,

    /// <summary>16 bytes, read as <see cref="Guid"/>.</summary>
    Uuid,

    /// <summary>Integer of 8 to 64 bits, signed or not, read as the .NET type of that width.</summary>
    Integer,

    /// <summary>Read as <see cref="decimal"/> up to 28 digits, as <see cref="ParquetDecimal"/> above.</summary>
    Decimal,

    /// <summary>Days since 1970-01-01, read as <see cref="DateOnly"/>.</summary>
    Date,

    /// <summary>Time of day, read as <see cref="ParquetTime"/>.</summary>
    Time,

    /// <summary>Point in time, read as <see cref="ParquetTimestamp"/>.</summary>
    Timestamp,

    /// <summary>Half precision, read as <see cref="Half"/>.</summary>
    Float16,

    /// <summary>Legacy interval of 12 bytes, read as bytes.</summary>
    Interval,

    /// <summary>A column of nulls only.</summary>
    Null,

    /// <summary>A group that is a list.</summary>
    List,

    /// <summary>A group that is a map.</summary>
    Map,

    /// <summary>An annotation that this reader does not interpret; the stored type is read.</summary>
    Other,
}
