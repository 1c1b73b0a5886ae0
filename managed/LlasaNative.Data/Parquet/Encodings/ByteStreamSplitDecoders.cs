using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LlasaNative.Data.Parquet;

/// <summary>Byte k of all values lies together, then byte k + 1.</summary>
internal static class ByteStreamSplit
{
    /// <summary>Puts the bytes of some values back together.</summary>
    /// <param name="streams">All streams of the page.</param>
    /// <param name="size">Bytes of one value, which is also the number of streams.</param>
    /// <param name="first">Index of the first value.</param>
    /// <param name="destination">Bytes of whole values.</param>
    public static void Join(ReadOnlySpan<byte> streams, int size, int first, Span<byte> destination)
    {
        int perStream = streams.Length / size;
        int count = destination.Length / size;
        if (count > perStream - first)
        {
            throw ParquetException.EndOfData("the values");
        }

        for (int k = 0; k < size; k++)
        {
            ReadOnlySpan<byte> stream = streams.Slice((k * perStream) + first, count);
            for (int i = 0; i < count; i++)
            {
                destination[(i * size) + k] = stream[i];
            }
        }
    }
}

/// <summary>Numbers whose bytes are split into streams.</summary>
internal sealed class SplitNumberDecoder<T>(ReadOnlyMemory<byte> bytes) : ValueDecoder<T>
    where T : unmanaged
{
    private int _next;

    public override void Decode(Span<T> destination)
    {
        ByteStreamSplit.Join(bytes.Span, Unsafe.SizeOf<T>(), _next, MemoryMarshal.AsBytes(destination));
        _next += destination.Length;
    }
}

/// <summary>Byte arrays of one length whose bytes are split into streams.</summary>
internal sealed class SplitFixedDecoder(ReadOnlyMemory<byte> bytes, int length) : ValueDecoder<ReadOnlyMemory<byte>>
{
    private int _next;

    public override void Decode(Span<ReadOnlyMemory<byte>> destination)
    {
        if ((long)destination.Length * length > bytes.Length)
        {
            throw ParquetException.EndOfData("the values");
        }

        byte[] joined = new byte[destination.Length * length];
        ByteStreamSplit.Join(bytes.Span, length, _next, joined);
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] = joined.AsMemory(i * length, length);
        }

        _next += destination.Length;
    }
}
