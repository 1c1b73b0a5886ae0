namespace LlasaNative.Data.Parquet;

#pragma warning disable CA1720 // The members carry the names of the format.

/// <summary>How the values of a column are stored. The numbers are those of the format.</summary>
public enum ParquetPhysicalType
{
    /// <summary>One bit, read as <see cref="bool"/>.</summary>
    Boolean = 0,

    /// <summary>32-bit integer, read as <see cref="int"/>.</summary>
    Int32 = 1,

    /// <summary>64-bit integer, read as <see cref="long"/>.</summary>
    Int64 = 2,

    /// <summary>Legacy 96-bit timestamp, read as <see cref="ParquetInt96"/>.</summary>
    Int96 = 3,

    /// <summary>Read as <see cref="float"/>.</summary>
    Float = 4,

    /// <summary>Read as <see cref="double"/>.</summary>
    Double = 5,

    /// <summary>Bytes of any length, read as <see cref="ReadOnlyMemory{T}"/> of bytes.</summary>
    ByteArray = 6,

    /// <summary>Bytes of one length per column, read as <see cref="ReadOnlyMemory{T}"/> of bytes.</summary>
    FixedLengthByteArray = 7,
}
