namespace LlasaNative.Data.Parquet;

/// <summary>How the values of a page are laid out. The numbers are those of the format.</summary>
public enum ParquetEncoding
{
    /// <summary>Values one after the other, little-endian; byte arrays with a 4-byte length.</summary>
    Plain = 0,

    /// <summary>Deprecated name of a dictionary page or of indices into it.</summary>
    PlainDictionary = 2,

    /// <summary>Runs and bit-packed groups: levels and booleans.</summary>
    Rle = 3,

    /// <summary>Deprecated bit-packed levels, most significant bit first; read only.</summary>
    BitPacked = 4,

    /// <summary>Differences of integers in bit-packed blocks.</summary>
    DeltaBinaryPacked = 5,

    /// <summary>Lengths as differences, then all bytes.</summary>
    DeltaLengthByteArray = 6,

    /// <summary>Length shared with the previous value, then the rest.</summary>
    DeltaByteArray = 7,

    /// <summary>Indices into the dictionary page.</summary>
    RleDictionary = 8,

    /// <summary>All first bytes, then all second bytes, and so on.</summary>
    ByteStreamSplit = 9,
}
