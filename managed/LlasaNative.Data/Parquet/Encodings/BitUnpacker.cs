using System.Buffers.Binary;

namespace LlasaNative.Data.Parquet;

/// <summary>Reads integers of a fixed number of bits, least significant bit first.</summary>
internal static class BitUnpacker
{
    /// <summary>The integer of <paramref name="width"/> bits, at most 64, that starts at a bit.</summary>
    /// <remarks>The caller has checked that its last bit lies inside the span.</remarks>
    public static ulong Read(ReadOnlySpan<byte> bytes, long bit, int width)
    {
        int at = (int)(bit >> 3);
        int shift = (int)(bit & 7);
        ulong low = Load(bytes, at) >> shift;
        if (shift + width > 64)
        {
            low |= (ulong)bytes[at + 8] << (64 - shift);
        }

        return width == 64 ? low : low & ((1UL << width) - 1);
    }

    private static ulong Load(ReadOnlySpan<byte> bytes, int at)
    {
        if (bytes.Length - at >= 8)
        {
            return BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);
        }

        ulong value = 0;
        for (int i = Math.Min(7, bytes.Length - at - 1); i >= 0; i--)
        {
            value = (value << 8) | bytes[at + i];
        }

        return value;
    }
}
