using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using K4os.Compression.LZ4;
using Snappier;

namespace LlasaNative.Data.Parquet;

/// <summary>Compresses and expands pages. A claimed size is believed only as far as the compressed bytes can reach.</summary>
internal static class PageCompression
{
    // Highest expansion that each format can reach: Snappy copies 64 bytes with 3, LZ4 adds 255 to a length with 1 byte, a
    // Zstandard block repeats one byte 128 Ki times with 4 bytes.
    private const long SnappyRatio = 22;
    private const long Lz4Ratio = 255;
    private const long ZstdRatio = 32768;
    private const long Slack = 1024;

    /// <summary>Expands a page.</summary>
    /// <param name="codec">How it is compressed.</param>
    /// <param name="source">The compressed bytes.</param>
    /// <param name="size">Bytes that must come out.</param>
    /// <returns>A new array of that length.</returns>
    /// <exception cref="ParquetException">The bytes are damaged or do not expand to that size.</exception>
    public static byte[] Expand(ParquetCodec codec, ReadOnlyMemory<byte> source, int size)
    {
        if (size == 0)
        {
            return [];
        }

        try
        {
            return codec switch
            {
                ParquetCodec.Snappy => ExpandSnappy(source.Span, Bounded(source.Length, size, SnappyRatio)),
                ParquetCodec.Gzip => ExpandStream(source, size, stream => new GZipStream(stream, CompressionMode.Decompress)),
                ParquetCodec.Brotli => ExpandStream(source, size, stream => new BrotliStream(stream, CompressionMode.Decompress)),
                ParquetCodec.Zstd => ExpandZstd(source.Span, Bounded(source.Length, size, ZstdRatio)),
                ParquetCodec.Lz4Raw => ExpandLz4(source.Span, Bounded(source.Length, size, Lz4Ratio)),
                ParquetCodec.Lz4Hadoop => ExpandHadoop(source.Span, Bounded(source.Length, size, Lz4Ratio)),
                _ => throw new ParquetException($"compression {codec} is not supported"),
            };
        }
        catch (Exception e) when (e is not (ParquetException or OutOfMemoryException))
        {
            throw new ParquetException($"a page cannot be expanded with {codec}: {e.Message}", e);
        }
    }

    /// <summary>Compresses a page.</summary>
    public static byte[] Compress(ParquetCodec codec, ReadOnlySpan<byte> source)
    {
        switch (codec)
        {
            case ParquetCodec.None:
                return source.ToArray();
            case ParquetCodec.Snappy:
                byte[] snappy = new byte[Snappy.GetMaxCompressedLength(source.Length)];
                return snappy[..Snappy.Compress(source, snappy)];
            case ParquetCodec.Zstd:
                using (ZstdSharp.Compressor compressor = new())
                {
                    return compressor.Wrap(source).ToArray();
                }

            case ParquetCodec.Lz4Raw:
                byte[] lz4 = new byte[LZ4Codec.MaximumOutputSize(source.Length)];
                return lz4[..LZ4Codec.Encode(source, lz4)];
            case ParquetCodec.Gzip or ParquetCodec.Brotli:
                using (MemoryStream output = new())
                {
                    using (Stream stream = codec == ParquetCodec.Gzip
                        ? new GZipStream(output, CompressionLevel.Optimal, leaveOpen: true)
                        : new BrotliStream(output, CompressionLevel.Optimal, leaveOpen: true))
                    {
                        stream.Write(source);
                    }

                    return output.ToArray();
                }

            default:
                throw new ParquetException($"writing with compression {codec} is not supported");
        }
    }

    private static int Bounded(int compressed, int size, long ratio) => size <= Slack + (compressed * ratio)
        ? size
        : throw new ParquetException($"{compressed} compressed bytes cannot become {size}");

    private static byte[] Exactly(byte[] result, long got) => got == result.Length
        ? result
        : throw new ParquetException($"a page expands to {got} bytes, its header says {result.Length}");

    private static byte[] ExpandSnappy(ReadOnlySpan<byte> source, int size)
    {
        int claimed = Snappy.GetUncompressedLength(source);
        if (claimed != size)
        {
            throw new ParquetException($"a page expands to {claimed} bytes, its header says {size}");
        }

        byte[] result = new byte[size];
        return Exactly(result, Snappy.Decompress(source, result));
    }

    private static byte[] ExpandZstd(ReadOnlySpan<byte> source, int size)
    {
        byte[] result = new byte[size];
        using ZstdSharp.Decompressor decompressor = new();
        return Exactly(result, decompressor.Unwrap(source, result));
    }

    private static byte[] ExpandLz4(ReadOnlySpan<byte> source, int size)
    {
        byte[] result = new byte[size];
        return Exactly(result, LZ4Codec.Decode(source, result));
    }

    // Frames of: bytes after and before compression, big-endian, then a raw block. Some writers put a bare block there.
    private static byte[] ExpandHadoop(ReadOnlySpan<byte> source, int size)
    {
        byte[] result = new byte[size];
        int done = 0;
        ReadOnlySpan<byte> rest = source;
        while (rest.Length >= 8)
        {
            uint expanded = BinaryPrimitives.ReadUInt32BigEndian(rest);
            uint compressed = BinaryPrimitives.ReadUInt32BigEndian(rest[4..]);
            if (compressed > rest.Length - 8 || expanded > size - done)
            {
                break;
            }

            int got = LZ4Codec.Decode(rest.Slice(8, (int)compressed), result.AsSpan(done, (int)expanded));
            if (got != expanded)
            {
                break;
            }

            done += got;
            rest = rest[(8 + (int)compressed)..];
        }

        return rest.IsEmpty && done == size ? result : ExpandLz4(source, size);
    }

    // The result grows with what really comes out, so that a lie about the size costs nothing.
    private static byte[] ExpandStream(ReadOnlyMemory<byte> source, int size, Func<Stream, Stream> open)
    {
        using MemoryStream input = new(source.ToArray(), writable: false);
        using Stream stream = open(input);
        byte[] result = new byte[(int)Math.Min(size, Math.Max(64 << 10, source.Length * 8L))];
        int done = 0;
        while (true)
        {
            int got = stream.ReadAtLeast(result.AsSpan(done), result.Length - done, throwOnEndOfStream: false);
            done += got;
            if (done < result.Length || done == size)
            {
                break;
            }

            Array.Resize(ref result, (int)Math.Min(size, result.Length * 2L));
        }

        if (done == size && stream.ReadByte() >= 0)
        {
            throw new ParquetException($"a page expands to more bytes than the {size} of its header");
        }

        return done == size ? result : throw new ParquetException($"a page expands to {done} bytes, its header says {size}");
    }
}
