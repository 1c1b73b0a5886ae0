using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LlasaNative.Data.Parquet;

/// <summary>Numbers one after the other.</summary>
internal sealed class PlainNumberDecoder<T>(ReadOnlyMemory<byte> bytes) : ValueDecoder<T>
    where T : unmanaged
{
    private int _position;

    public override void Decode(Span<T> destination)
    {
        long size = (long)destination.Length * Unsafe.SizeOf<T>();
        if (size > bytes.Length - _position)
        {
            throw ParquetException.EndOfData("the values");
        }

        bytes.Span.Slice(_position, (int)size).CopyTo(MemoryMarshal.AsBytes(destination));
        _position += (int)size;
    }
}

/// <summary>Booleans as bits, least significant first.</summary>
internal sealed class PlainBooleanDecoder(ReadOnlyMemory<byte> bytes) : ValueDecoder<bool>
{
    private long _bit;

    public override void Decode(Span<bool> destination)
    {
        ReadOnlySpan<byte> span = bytes.Span;
        if (_bit + destination.Length > span.Length * 8L)
        {
            throw ParquetException.EndOfData("the values");
        }

        for (int i = 0; i < destination.Length; i++, _bit++)
        {
            destination[i] = ((span[(int)(_bit >> 3)] >> (int)(_bit & 7)) & 1) == 1;
        }
    }
}

/// <summary>Booleans as runs, after their length in 4 bytes.</summary>
internal sealed class RleBooleanDecoder : ValueDecoder<bool>
{
    private readonly RleDecoder _runs = new();

    public RleBooleanDecoder(ReadOnlyMemory<byte> bytes)
    {
        int length = bytes.Length >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(bytes.Span) : -1;
        if (length < 0 || length > bytes.Length - 4)
        {
            throw ParquetException.EndOfData("the values");
        }

        _runs.Reset(bytes.Slice(4, length), 1);
    }

    public override void Decode(Span<bool> destination)
    {
        Span<byte> bits = MemoryMarshal.AsBytes(destination);
        _runs.Decode(bits);

        // A run may carry any byte; only its lowest bit is the value.
        for (int i = 0; i < bits.Length; i++)
        {
            bits[i] &= 1;
        }
    }
}

/// <summary>Byte arrays, each after its length in 4 bytes.</summary>
internal sealed class PlainByteArrayDecoder(ReadOnlyMemory<byte> bytes) : ValueDecoder<ReadOnlyMemory<byte>>
{
    private int _position;

    public override void Decode(Span<ReadOnlyMemory<byte>> destination)
    {
        ReadOnlySpan<byte> span = bytes.Span;
        int position = _position;
        for (int i = 0; i < destination.Length; i++)
        {
            int length = span.Length - position >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(span[position..]) : -1;
            if (length < 0 || length > span.Length - position - 4)
            {
                throw ParquetException.EndOfData("the values");
            }

            destination[i] = bytes.Slice(position + 4, length);
            position += 4 + length;
        }

        _position = position;
    }
}

/// <summary>Byte arrays of one length.</summary>
internal sealed class PlainFixedDecoder(ReadOnlyMemory<byte> bytes, int length) : ValueDecoder<ReadOnlyMemory<byte>>
{
    private int _position;

    public override void Decode(Span<ReadOnlyMemory<byte>> destination)
    {
        if ((long)destination.Length * length > bytes.Length - _position)
        {
            throw ParquetException.EndOfData("the values");
        }

        for (int i = 0; i < destination.Length; i++, _position += length)
        {
            destination[i] = bytes.Slice(_position, length);
        }
    }
}
