using System.Buffers.Binary;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace LlasaNative.Hdfs;

/// <summary>Computes the checksum that HDFS gives for a file: MD5 of the blocks' MD5s of the CRCs of their chunks, or a CRC of all.</summary>
/// <remarks>
/// HDFS hashes the buffer that holds the blocks' MD5s up to its capacity, not its length: 32 bytes at first, doubled when
/// full, zeros at the end. So the value depends on that growth, and has to be computed the same way. <b>Threads:</b> any.
/// </remarks>
public static partial class HdfsChecksum
{
    private const int FirstCapacity = 32;

    /// <summary>Computes the checksum of a local file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="algorithm">As HDFS names it: <c>MD5-of-0MD5-of-512CRC32C</c> or <c>COMPOSITE-CRC32C</c>.</param>
    /// <param name="blockSize">Bytes of a block of the file on HDFS.</param>
    /// <returns>The last 16 bytes (MD5) or 4 bytes (CRC) of HDFS's value, in hexadecimal; null when the algorithm is not known.</returns>
    public static string? Compute(string path, string algorithm, long blockSize)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(algorithm);
        Match match = Md5OfMd5().Match(algorithm);
        bool isComposite = algorithm is "COMPOSITE-CRC32C" or "COMPOSITE-CRC32";
        if (!match.Success && !isComposite)
        {
            return null;
        }

        Crc32ParameterSet kind = algorithm.EndsWith("CRC32C", StringComparison.Ordinal) ? Crc32ParameterSet.Crc32C : Crc32ParameterSet.Crc32;
        using FileStream file = File.OpenRead(path);
        if (isComposite)
        {
            Crc32 crc = new(kind);
            crc.Append(file);
            return crc.GetCurrentHashAsUInt32().ToString("x8", CultureInfo.InvariantCulture);
        }

        // An empty file has no chunks, and HDFS says 0 for their size.
        int chunk = int.Parse(match.Groups["chunk"].Value, CultureInfo.InvariantCulture);
        if (file.Length > 0 && (chunk < 1 || blockSize < 1 || blockSize % chunk != 0))
        {
            return null;
        }

        byte[] md5s = new byte[FirstCapacity];
        int length = 0;
        for (long left = file.Length; left > 0; left -= blockSize)
        {
            byte[] md5 = BlockMd5(file, Math.Min(left, blockSize), chunk, kind);
            if (length + md5.Length > md5s.Length)
            {
                Array.Resize(ref md5s, md5s.Length * 2);
            }

            md5.CopyTo(md5s, length);
            length += md5.Length;
        }

        return Convert.ToHexStringLower(CryptographicOperations.HashData(HashAlgorithmName.MD5, md5s));
    }

    private static byte[] BlockMd5(FileStream file, long length, int chunk, Crc32ParameterSet kind)
    {
        using IncrementalHash md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        byte[] bytes = new byte[chunk];
        byte[] crc = new byte[sizeof(uint)];
        for (long left = length; left > 0; left -= chunk)
        {
            int count = (int)Math.Min(left, chunk);
            file.ReadExactly(bytes, 0, count);
            BinaryPrimitives.WriteUInt32BigEndian(crc, Crc32.HashToUInt32(kind, bytes.AsSpan(0, count)));
            md5.AppendData(crc);
        }

        return md5.GetHashAndReset();
    }

    [GeneratedRegex("^MD5-of-[0-9]+MD5-of-(?<chunk>[0-9]{1,9})CRC32C?$", RegexOptions.CultureInvariant)]
    private static partial Regex Md5OfMd5();
}
