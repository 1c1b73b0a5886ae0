using System.Numerics;

namespace LlasaNative.Data.Parquet;

/// <summary>Decodes the hybrid of runs and bit-packed groups: levels, dictionary indices, booleans.</summary>
/// <remarks>It holds no decoded values, so a run may claim any length.</remarks>
internal sealed class RleDecoder
{
    private ReadOnlyMemory<byte> _bytes;
    private int _position;
    private int _width;
    private long _runLeft;
    private uint _runValue;
    private bool _isPacked;
    private long _packedBit;
    private long _packedEnd;

    /// <param name="bytes">All runs.</param>
    /// <param name="width">Bits of a value, 0 to 32.</param>
    public void Reset(ReadOnlyMemory<byte> bytes, int width)
    {
        if (width is < 0 or > 32)
        {
            throw new ParquetException($"values of {width} bits; at most 32 are possible");
        }

        _bytes = bytes;
        _width = width;
        _position = 0;
        _runLeft = 0;
    }

    public void Decode<T>(Span<T> destination)
        where T : unmanaged, IBinaryInteger<T>
    {
        ReadOnlySpan<byte> bytes = _bytes.Span;
        while (!destination.IsEmpty)
        {
            if (_runLeft == 0)
            {
                NextRun(bytes);
                continue;
            }

            int count = (int)Math.Min(_runLeft, destination.Length);
            if (_isPacked)
            {
                Unpack(bytes, destination[..count]);
            }
            else
            {
                destination[..count].Fill(T.CreateTruncating(_runValue));
            }

            _runLeft -= count;
            destination = destination[count..];
        }
    }

    private void Unpack<T>(ReadOnlySpan<byte> bytes, Span<T> destination)
        where T : unmanaged, IBinaryInteger<T>
    {
        // The last group of a page may lack its padding.
        if (_packedBit + ((long)destination.Length * _width) > _packedEnd)
        {
            throw ParquetException.EndOfData("a bit-packed run");
        }

        long bit = _packedBit;
        for (int i = 0; i < destination.Length; i++, bit += _width)
        {
            destination[i] = T.CreateTruncating((uint)BitUnpacker.Read(bytes, bit, _width));
        }

        _packedBit = bit;
    }

    private void NextRun(ReadOnlySpan<byte> bytes)
    {
        ulong head = VarintReader.Read(bytes, ref _position, "a run");
        if (head >> 1 > int.MaxValue)
        {
            throw new ParquetException($"a run of {head >> 1} values");
        }

        _isPacked = (head & 1) == 1;
        if (_isPacked)
        {
            long groups = (long)(head >> 1);
            _runLeft = groups * 8;
            _packedBit = (long)_position * 8;
            long end = Math.Min(_position + (groups * _width), bytes.Length);
            _packedEnd = end * 8;
            _position = (int)end;
            return;
        }

        _runLeft = (long)(head >> 1);
        int size = (_width + 7) / 8;
        if (size > bytes.Length - _position)
        {
            throw ParquetException.EndOfData("a run");
        }

        _runValue = 0;
        for (int i = 0; i < size; i++)
        {
            _runValue |= (uint)bytes[_position++] << (8 * i);
        }
    }
}
