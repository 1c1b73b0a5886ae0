namespace LlasaNative.Data.Parquet;

/// <summary>Reads the pages of one column chunk one after the other; it holds one page and a small window.</summary>
internal sealed class PageReader
{
    private const int WindowBytes = 64 << 10;

    private readonly ByteSource _source;
    private readonly ParquetColumnChunk _chunk;
    private readonly ParquetReadOptions _options;
    private readonly long _end;
    private long _position;
    private byte[] _window = [];
    private int _windowStart;
    private int _windowLength;

    public PageReader(ByteSource source, ParquetColumnChunk chunk, ParquetReadOptions options)
    {
        (_source, _chunk, _options) = (source, chunk, options);
        _position = chunk.Start;
        _end = chunk.CompressedBytes == 0 ? chunk.Start : chunk.Start + chunk.CompressedBytes;
    }

    /// <summary>Reads the next page that holds values; false at the end of the chunk.</summary>
    public bool TryRead(out Page page)
    {
        while (_position < _end)
        {
            PageHeader header = ReadHeader();
            if (header.CompressedBytes > _end - _position)
            {
                throw new ParquetException($"a page of {header.CompressedBytes} bytes, {_end - _position} are left in its chunk");
            }

            if (header.Type is not (PageHeader.DataPage or PageHeader.DictionaryPage or PageHeader.DataPageV2))
            {
                Skip(header.CompressedBytes);
                continue;
            }

            if (header.UncompressedBytes > _options.MaxPageBytes)
            {
                throw new ParquetException(
                    $"a page of {header.UncompressedBytes} bytes is above the limit of {_options.MaxPageBytes}");
            }

            byte[] stored = new byte[header.CompressedBytes];
            ReadBytes(stored);
            if (_options.VerifyChecksums && header.Crc is int expected && Crc32.Compute(stored) != (uint)expected)
            {
                throw new ParquetException($"a page's checksum is {Crc32.Compute(stored):x8}, its header says {(uint)expected:x8}");
            }

            page = header.Type == PageHeader.DataPageV2 ? ExpandV2(header, stored) : Expand(header, stored);
            return true;
        }

        page = default;
        return false;
    }

    private Page Expand(in PageHeader header, byte[] stored)
    {
        ReadOnlyMemory<byte> body = stored;
        if (_chunk.Codec != ParquetCodec.None)
        {
            body = PageCompression.Expand(_chunk.Codec, stored, header.UncompressedBytes);
        }
        else if (stored.Length != header.UncompressedBytes)
        {
            throw new ParquetException($"an uncompressed page of {stored.Length} bytes, its header says {header.UncompressedBytes}");
        }

        return new Page(header, default, default, body);
    }

    private Page ExpandV2(in PageHeader header, byte[] stored)
    {
        (int repetition, int definition) = (header.RepetitionBytes, header.DefinitionBytes);
        long levels = (long)repetition + definition;
        if (repetition < 0 || definition < 0 || levels > stored.Length || levels > header.UncompressedBytes)
        {
            throw new ParquetException($"levels of {repetition} and {definition} bytes in a page of {stored.Length} bytes");
        }

        ReadOnlyMemory<byte> body = stored.AsMemory((int)levels);
        int expanded = header.UncompressedBytes - (int)levels;
        if (_chunk.Codec != ParquetCodec.None && header.IsCompressed)
        {
            // A page of nulls only may have no compressed bytes at all.
            body = body.IsEmpty && expanded == 0 ? body : PageCompression.Expand(_chunk.Codec, body, expanded);
        }
        else if (body.Length != expanded)
        {
            throw new ParquetException($"an uncompressed page of {stored.Length} bytes, its header says {header.UncompressedBytes}");
        }

        return new Page(header, stored.AsMemory(0, repetition), stored.AsMemory(repetition, definition), body);
    }

    private PageHeader ReadHeader()
    {
        // Almost every header fits what the window has; one with large statistics may need more.
        for (long wanted = 256; ; wanted *= 8)
        {
            long available = Math.Min(wanted, _end - _position);
            try
            {
                ThriftReader reader = new(Peek((int)Math.Min(available, _options.MaxPageBytes)));
                PageHeader header = PageHeader.Read(ref reader);
                Consume(reader.Position);
                return header;
            }
            catch (ParquetException e) when (e.IsEndOfData && available < _end - _position && available < _options.MaxPageBytes)
            {
                // The header is longer than what was looked at.
            }
        }
    }

    /// <summary>Shows the next bytes without moving on; at least that many are left in the chunk.</summary>
    private ReadOnlySpan<byte> Peek(int count)
    {
        if (_windowLength < count)
        {
            int size = (int)Math.Min(Math.Max(count, WindowBytes), _end - _position);
            byte[] window = _window.Length >= size ? _window : new byte[size];
            _source.Read(_position, window.AsSpan(0, size));
            (_window, _windowStart, _windowLength) = (window, 0, size);
        }

        return _window.AsSpan(_windowStart, count);
    }

    private void Consume(int count)
    {
        _windowStart += count;
        _windowLength -= count;
        _position += count;
    }

    private void Skip(int count)
    {
        int inWindow = Math.Min(count, _windowLength);
        Consume(inWindow);
        _position += count - inWindow;
    }

    private void ReadBytes(Span<byte> destination)
    {
        int inWindow = Math.Min(destination.Length, _windowLength);
        _window.AsSpan(_windowStart, inWindow).CopyTo(destination);
        Consume(inWindow);
        if (inWindow < destination.Length)
        {
            _source.Read(_position, destination[inWindow..]);
            _position += destination.Length - inWindow;
        }
    }
}
