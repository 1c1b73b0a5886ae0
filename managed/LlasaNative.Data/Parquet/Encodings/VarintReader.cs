namespace LlasaNative.Data.Parquet;

/// <summary>Variable-length integers as encodings use them.</summary>
internal static class VarintReader
{
    public static ulong Read(ReadOnlySpan<byte> bytes, ref int position, string what)
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if (position >= bytes.Length)
            {
                throw ParquetException.EndOfData(what);
            }

            byte next = bytes[position++];
            value |= (ulong)(next & 127) << shift;
            if (next < 128)
            {
                return value;
            }
        }

        throw new ParquetException($"an integer of {what} has more than 10 bytes");
    }

    public static long ReadZigZag(ReadOnlySpan<byte> bytes, ref int position, string what)
    {
        ulong value = Read(bytes, ref position, what);
        return (long)(value >> 1) ^ -(long)(value & 1);
    }
}
