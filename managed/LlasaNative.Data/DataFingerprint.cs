using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace LlasaNative.Data;

/// <summary>Tells whether two runs train on the same data: SHA-256 of what training reads, in order.</summary>
/// <remarks>Kind and place of the files, and columns that nobody reads, do not matter. <b>Threads:</b> any.</remarks>
public static class DataFingerprint
{
    /// <summary>Of texts with their speech.</summary>
    /// <param name="utterances">The utterances in order.</param>
    public static string Of(IEnumerable<Utterance> utterances)
    {
        ArgumentNullException.ThrowIfNull(utterances);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Utterance utterance in utterances)
        {
            Append(hash, Encoding.UTF8.GetBytes(utterance.Text));
            Append(hash, MemoryMarshal.AsBytes<int>(utterance.Codes.ToArray()));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // With its length in front, so that two texts are not what one that joins them is.
    private static void Append(IncrementalHash hash, ReadOnlySpan<byte> bytes)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }
}
