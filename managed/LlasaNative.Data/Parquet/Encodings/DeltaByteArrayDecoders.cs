namespace LlasaNative.Data.Parquet;

/// <summary>All lengths as differences, then all bytes.</summary>
internal sealed class DeltaLengthDecoder : ValueDecoder<ReadOnlyMemory<byte>>
{
    // Equal lengths cost next to nothing, so the bytes alone do not bound their number.
    private const long LengthsAllowance = 4L << 20;

    private readonly ReadOnlyMemory<byte> _data;
    private readonly int[] _lengths;
    private int _next;
    private int _position;

    /// <param name="bytes">The rest of the page.</param>
    /// <param name="limit">Values that the page can have at most.</param>
    public DeltaLengthDecoder(ReadOnlyMemory<byte> bytes, int limit)
    {
        _lengths = Lengths(bytes, limit, out int end);
        _data = bytes[end..];
    }

    /// <summary>Number of values.</summary>
    public int Count => _lengths.Length;

    public override void Decode(Span<ReadOnlyMemory<byte>> destination)
    {
        if (destination.Length > _lengths.Length - _next)
        {
            throw ParquetException.EndOfData("the values");
        }

        for (int i = 0; i < destination.Length; i++)
        {
            int length = _lengths[_next++];
            if (length > _data.Length - _position)
            {
                throw ParquetException.EndOfData("the values");
            }

            destination[i] = _data.Slice(_position, length);
            _position += length;
        }
    }

    /// <summary>Decodes a block of lengths completely; memory grows only with what is really there.</summary>
    public static int[] Lengths(ReadOnlyMemory<byte> bytes, int limit, out int end)
    {
        DeltaBinaryDecoder decoder = new(bytes);
        if (decoder.Count > Math.Min(limit, LengthsAllowance + (64L * bytes.Length)))
        {
            throw new ParquetException($"{decoder.Count} lengths for at most {limit} values");
        }

        List<int> lengths = new(Math.Min(decoder.Count, 4096));
        for (int i = 0; i < decoder.Count; i++)
        {
            long length = decoder.Next();
            if (length is < 0 or > int.MaxValue)
            {
                throw new ParquetException($"a value has a length of {length}");
            }

            lengths.Add((int)length);
        }

        end = decoder.Position;
        return [.. lengths];
    }
}

/// <summary>The length shared with the value before, then the rest of each value.</summary>
internal sealed class DeltaByteArrayDecoder : ValueDecoder<ReadOnlyMemory<byte>>
{
    // Shared parts can blow a page up without end; no sane page needs more than this.
    private const long FixedAllowance = 64L << 20;
    private const long AllowancePerByte = 256;

    private readonly int[] _prefixes;
    private readonly DeltaLengthDecoder _rests;
    private readonly int _length;
    private long _allowance;
    private int _next;
    private ReadOnlyMemory<byte> _previous = ReadOnlyMemory<byte>.Empty;

    /// <param name="bytes">The values of the page.</param>
    /// <param name="length">Length of every value of a fixed-length column; 0 for others.</param>
    /// <param name="limit">Values that the page can have at most.</param>
    public DeltaByteArrayDecoder(ReadOnlyMemory<byte> bytes, int length, int limit)
    {
        _prefixes = DeltaLengthDecoder.Lengths(bytes, limit, out int end);
        _rests = new DeltaLengthDecoder(bytes[end..], limit);
        _length = length;
        _allowance = FixedAllowance + (AllowancePerByte * bytes.Length);
    }

    public override void Decode(Span<ReadOnlyMemory<byte>> destination)
    {
        _rests.Decode(destination);
        if (destination.Length > _prefixes.Length - _next)
        {
            throw ParquetException.EndOfData("the values");
        }

        foreach (ref ReadOnlyMemory<byte> value in destination)
        {
            int shared = _prefixes[_next++];
            if (shared > _previous.Length)
            {
                throw new ParquetException($"a value shares {shared} bytes with one of {_previous.Length} bytes");
            }

            if (shared > 0)
            {
                _allowance -= shared + value.Length;
                if (_allowance < 0)
                {
                    throw new ParquetException("values with shared beginnings grow beyond any sane page");
                }

                byte[] whole = new byte[shared + value.Length];
                _previous.Span[..shared].CopyTo(whole);
                value.Span.CopyTo(whole.AsSpan(shared));
                value = whole;
            }

            if (_length > 0 && value.Length != _length)
            {
                throw new ParquetException($"a value of {value.Length} bytes in a column of {_length} bytes each");
            }

            _previous = value;
        }
    }
}
