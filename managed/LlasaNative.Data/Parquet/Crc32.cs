using System.Buffers.Binary;

namespace LlasaNative.Data.Parquet;

/// <summary>The checksum of pages: CRC-32 of IEEE 802.3 (reflected polynomial EDB88320), eight bytes a step.</summary>
internal static class Crc32
{
    private const uint Polynomial = 0xEDB88320;

    private static readonly uint[] Table = MakeTable();

    public static uint Compute(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>Goes on with the checksum of the bytes before.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        uint[] t = Table;
        crc = ~crc;
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            uint low = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ crc;
            uint high = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            crc = t[0x700 + (low & 255)] ^ t[0x600 + ((low >> 8) & 255)] ^ t[0x500 + ((low >> 16) & 255)] ^ t[0x400 + (low >> 24)]
                ^ t[0x300 + (high & 255)] ^ t[0x200 + ((high >> 8) & 255)] ^ t[0x100 + ((high >> 16) & 255)] ^ t[high >> 24];
        }

        foreach (byte b in bytes)
        {
            crc = (crc >> 8) ^ t[(crc ^ b) & 255];
        }

        return ~crc;
    }

    private static uint[] MakeTable()
    {
        uint[] table = new uint[8 * 256];
        for (uint i = 0; i < 256; i++)
        {
            uint value = i;
            for (int bit = 0; bit < 8; bit++)
            {
                value = (value & 1) == 1 ? (value >> 1) ^ Polynomial : value >> 1;
            }

            table[i] = value;
        }

        for (int i = 256; i < table.Length; i++)
        {
            table[i] = (table[i - 256] >> 8) ^ table[table[i - 256] & 255];
        }

        return table;
    }
}
