namespace LlasaNative.Data.Parquet;

/// <summary>Decodes the repetition or definition levels of one page, a part at a time.</summary>
internal sealed class LevelDecoder(int maxLevel)
{
    private readonly int _width = maxLevel == 0 ? 0 : int.Log2(maxLevel) + 1;
    private readonly RleDecoder _runs = new();
    private ReadOnlyMemory<byte> _packed;
    private long _packedBit;
    private bool _isPacked;

    /// <summary>Starts a page of version 1, whose levels carry their own length.</summary>
    /// <returns>Bytes taken from the start of the span.</returns>
    public int ResetV1(ReadOnlyMemory<byte> page, ParquetEncoding encoding, int count)
    {
        if (maxLevel == 0)
        {
            return 0;
        }

        if (encoding == ParquetEncoding.BitPacked)
        {
            long size = (((long)count * _width) + 7) / 8;
            if (size > page.Length)
            {
                throw ParquetException.EndOfData("the levels");
            }

            (_isPacked, _packed, _packedBit) = (true, page[..(int)size], 0);
            return (int)size;
        }

        if (encoding != ParquetEncoding.Rle)
        {
            throw new ParquetException($"levels in encoding {encoding} are not supported");
        }

        int length = page.Length >= 4 ? System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(page.Span) : -1;
        if (length < 0 || length > page.Length - 4)
        {
            throw ParquetException.EndOfData("the levels");
        }

        ResetV2(page.Slice(4, length));
        return length + 4;
    }

    /// <summary>Starts a page of version 2, whose header has the length of the levels.</summary>
    public void ResetV2(ReadOnlyMemory<byte> runs)
    {
        _isPacked = false;
        _runs.Reset(runs, _width);
    }

    /// <summary>Fills a span with the next levels, each checked against the highest possible.</summary>
    public void Decode(Span<byte> levels)
    {
        if (maxLevel == 0)
        {
            levels.Clear();
            return;
        }

        if (_isPacked)
        {
            DecodePacked(levels);
        }
        else
        {
            _runs.Decode(levels);
        }

        if (levels.ContainsAnyExceptInRange((byte)0, (byte)maxLevel))
        {
            throw new ParquetException($"a level is above {maxLevel}");
        }
    }

    private void DecodePacked(Span<byte> levels)
    {
        ReadOnlySpan<byte> bytes = _packed.Span;
        if (_packedBit + ((long)levels.Length * _width) > bytes.Length * 8L)
        {
            throw ParquetException.EndOfData("the levels");
        }

        for (int i = 0; i < levels.Length; i++)
        {
            int level = 0;
            for (int b = 0; b < _width; b++, _packedBit++)
            {
                level = (level << 1) | ((bytes[(int)(_packedBit >> 3)] >> (7 - (int)(_packedBit & 7))) & 1);
            }

            levels[i] = (byte)level;
        }
    }
}
