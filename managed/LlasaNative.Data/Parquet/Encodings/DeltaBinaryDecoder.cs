namespace LlasaNative.Data.Parquet;

/// <summary>Integers as bit-packed differences in blocks and miniblocks. Sums wrap, as the format wants.</summary>
internal sealed class DeltaBinaryDecoder
{
    private const string What = "a block of differences";
    private const int LargestBlock = 1 << 20;

    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly int _miniblockValues;
    private readonly byte[] _widths;
    private int _position;
    private int _left;
    private bool _isFirst = true;
    private long _value;
    private long _smallest;
    private int _miniblock;
    private int _miniblockLeft;
    private long _bit;

    public DeltaBinaryDecoder(ReadOnlyMemory<byte> bytes)
    {
        _bytes = bytes;
        ReadOnlySpan<byte> span = bytes.Span;
        ulong block = VarintReader.Read(span, ref _position, What);
        ulong miniblocks = VarintReader.Read(span, ref _position, What);
        ulong count = VarintReader.Read(span, ref _position, What);
        _value = VarintReader.ReadZigZag(span, ref _position, What);
        if (block is 0 or > LargestBlock || miniblocks == 0 || miniblocks > block || block % miniblocks != 0
            || (block / miniblocks) % 8 != 0 || count > int.MaxValue)
        {
            throw new ParquetException($"a block of {block} differences in {miniblocks} miniblocks for {count} values");
        }

        _miniblockValues = (int)(block / miniblocks);
        _widths = new byte[(int)miniblocks];
        _miniblock = _widths.Length;
        _left = Count = (int)count;
    }

    /// <summary>Number of values that the head claims.</summary>
    public int Count { get; }

    /// <summary>Bytes used so far; all of the encoding's once every value has been decoded.</summary>
    public int Position => _position;

    public long Next()
    {
        if (_left == 0)
        {
            throw ParquetException.EndOfData(What);
        }

        _left--;
        if (_isFirst)
        {
            _isFirst = false;
            return _value;
        }

        if (_miniblockLeft == 0)
        {
            NextMiniblock();
        }

        int width = _widths[_miniblock];
        _miniblockLeft--;
        long delta = width == 0 ? 0 : (long)BitUnpacker.Read(_bytes.Span, _bit, width);
        _bit += width;
        _value = unchecked(_value + _smallest + delta);
        return _value;
    }

    private void NextMiniblock()
    {
        ReadOnlySpan<byte> span = _bytes.Span;
        if (++_miniblock >= _widths.Length)
        {
            _smallest = VarintReader.ReadZigZag(span, ref _position, What);
            if (span.Length - _position < _widths.Length)
            {
                throw ParquetException.EndOfData(What);
            }

            span.Slice(_position, _widths.Length).CopyTo(_widths);
            _position += _widths.Length;
            _miniblock = 0;
        }

        int width = _widths[_miniblock];
        long size = (long)_miniblockValues * width / 8;
        if (width > 64)
        {
            throw new ParquetException($"differences of {width} bits");
        }

        if (size > span.Length - _position)
        {
            throw ParquetException.EndOfData(What);
        }

        _bit = _position * 8L;
        _position += (int)size;
        _miniblockLeft = _miniblockValues;
    }
}

/// <summary>A column of 32-bit integers as differences.</summary>
internal sealed class DeltaInt32Decoder(ReadOnlyMemory<byte> bytes) : ValueDecoder<int>
{
    private readonly DeltaBinaryDecoder _values = new(bytes);

    public override void Decode(Span<int> destination)
    {
        foreach (ref int value in destination)
        {
            value = unchecked((int)_values.Next());
        }
    }
}

/// <summary>A column of 64-bit integers as differences.</summary>
internal sealed class DeltaInt64Decoder(ReadOnlyMemory<byte> bytes) : ValueDecoder<long>
{
    private readonly DeltaBinaryDecoder _values = new(bytes);

    public override void Decode(Span<long> destination)
    {
        foreach (ref long value in destination)
        {
            value = _values.Next();
        }
    }
}
