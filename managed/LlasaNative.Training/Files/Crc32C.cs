using System.Buffers.Binary;
using System.Numerics;

namespace LlasaNative.Checksums;

/// <summary>CRC-32C (Castagnoli, reflected polynomial 82F63B78): of checkpoints, TensorBoard records and HDFS blocks.</summary>
public static class Crc32C
{
    private const int BufferBytes = 1 << 20;

    /// <summary>The checksum of some bytes.</summary>
    /// <param name="bytes">The bytes.</param>
    public static uint Compute(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>Goes on with the checksum of the bytes before.</summary>
    /// <param name="crc">Checksum of what came before; 0 = nothing did.</param>
    /// <param name="bytes">What follows.</param>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        crc = ~crc;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte b in bytes)
        {
            crc = BitOperations.Crc32C(crc, b);
        }

        return ~crc;
    }

    /// <summary>The checksum of a whole file.</summary>
    /// <param name="path">Path of the file.</param>
    public static uint OfFile(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        byte[] buffer = new byte[Math.Clamp(file.Length, 1, BufferBytes)];
        uint crc = 0;
        for (int got; (got = file.Read(buffer)) > 0;)
        {
            crc = Append(crc, buffer.AsSpan(0, got));
        }

        return crc;
    }
}
