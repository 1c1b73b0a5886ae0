namespace LlasaNative.Data.Parquet;

/// <summary>Decodes one column chunk a batch at a time: levels, and values or indices into the dictionary.</summary>
/// <typeparam name="T">The .NET type of the column's stored type.</typeparam>
/// <remarks><b>Threads:</b> one at a time.</remarks>
internal sealed class ColumnChunkReader<T>
{
    /// <summary>Entries of one batch at most.</summary>
    public const int BatchSize = 2048;

    private readonly ParquetField _column;
    private readonly PageReader _pages;
    private readonly LevelDecoder _repetitionLevels;
    private readonly LevelDecoder _definitionLevels;
    private readonly RleDecoder _indices = new();
    private readonly byte[] _repetition = new byte[BatchSize];
    private readonly byte[] _definition = new byte[BatchSize];
    private readonly T[] _values = new T[BatchSize];
    private readonly int[] _dictionaryIndices = new int[BatchSize];
    private ValueDecoder<T>? _decoder;
    private long _chunkLeft;
    private long _pageLeft;
    private long _pageRowsLeft = -1;

    public ColumnChunkReader(ByteSource source, ParquetField column, ParquetColumnChunk chunk, ParquetReadOptions options)
    {
        _column = column;
        _pages = new PageReader(source, chunk, options);
        _repetitionLevels = new LevelDecoder(column.MaxRepetitionLevel);
        _definitionLevels = new LevelDecoder(column.MaxDefinitionLevel);
        _chunkLeft = chunk.ValueCount;
    }

    /// <summary>Entries of the current batch, nulls included.</summary>
    public int Count { get; private set; }

    /// <summary>Values of the current batch.</summary>
    public int ValueCount { get; private set; }

    /// <summary>One level for each entry.</summary>
    public ReadOnlySpan<byte> Repetition => _repetition.AsSpan(0, Count);

    /// <summary>One level for each entry.</summary>
    public ReadOnlySpan<byte> Definition => _definition.AsSpan(0, Count);

    /// <summary>The values, without nulls. From a dictionary they are filled in by <see cref="ResolveIndices"/>.</summary>
    public ReadOnlySpan<T> Values => _values.AsSpan(0, ValueCount);

    /// <summary>Whether the batch has indices into <see cref="Dictionary"/> instead of values.</summary>
    public bool HasIndices { get; private set; }

    /// <summary>Indices into <see cref="Dictionary"/>, each checked; without nulls.</summary>
    public ReadOnlySpan<int> Indices => _dictionaryIndices.AsSpan(0, HasIndices ? ValueCount : 0);

    /// <summary>The values of the dictionary page; empty when there is none.</summary>
    public T[] Dictionary { get; private set; } = [];

    /// <summary>Decodes the next batch; false at the end of the chunk. A batch lies within one page.</summary>
    public bool ReadBatch()
    {
        Count = ValueCount = 0;
        while (_pageLeft == 0)
        {
            CheckPageEnd();
            if (_chunkLeft == 0)
            {
                return false;
            }

            NextPage();
        }

        Count = (int)Math.Min(BatchSize, _pageLeft);
        _repetitionLevels.Decode(_repetition.AsSpan(0, Count));
        _definitionLevels.Decode(_definition.AsSpan(0, Count));
        ValueCount = _column.MaxDefinitionLevel == 0 ? Count : Definition.Count((byte)_column.MaxDefinitionLevel);
        if (ValueCount > 0)
        {
            DecodeValues();
        }

        _pageLeft -= Count;
        _chunkLeft -= Count;
        if (_pageRowsLeft >= 0)
        {
            _pageRowsLeft -= Repetition.Count((byte)0);
            if (_pageRowsLeft < 0)
            {
                throw new ParquetException("a page has more rows than its header says");
            }
        }

        return true;
    }

    /// <summary>Fills <see cref="Values"/> from the dictionary when the batch has indices.</summary>
    public void ResolveIndices()
    {
        for (int i = 0; i < Indices.Length; i++)
        {
            _values[i] = Dictionary[_dictionaryIndices[i]];
        }
    }

    private void DecodeValues()
    {
        if (!HasIndices)
        {
            _decoder!.Decode(_values.AsSpan(0, ValueCount));
            return;
        }

        Span<int> indices = _dictionaryIndices.AsSpan(0, ValueCount);
        _indices.Decode(indices);
        if (Dictionary.Length == 0 || indices.ContainsAnyExceptInRange(0, Dictionary.Length - 1))
        {
            throw new ParquetException($"an index is outside the dictionary of {Dictionary.Length} values");
        }
    }

    // A page of version 2 says how many rows it has. It also counts its nulls, but writers disagree on what counts as one.
    private void CheckPageEnd()
    {
        if (_pageRowsLeft > 0)
        {
            throw new ParquetException("a page has fewer rows than its header says");
        }
    }

    private void NextPage()
    {
        if (!_pages.TryRead(out Page page))
        {
            throw new ParquetException($"the pages of the chunk end {_chunkLeft} values too early");
        }

        if (page.Header.Type == PageHeader.DictionaryPage)
        {
            ReadDictionary(page);
            return;
        }

        if (page.Header.ValueCount > _chunkLeft)
        {
            throw new ParquetException($"a page of {page.Header.ValueCount} values, {_chunkLeft} are left in its chunk");
        }

        ReadOnlyMemory<byte> values = page.Body;
        _pageRowsLeft = -1;
        if (page.Header.Type == PageHeader.DataPageV2)
        {
            _repetitionLevels.ResetV2(page.Repetition);
            _definitionLevels.ResetV2(page.Definition);
            _pageRowsLeft = page.Header.RowCount >= 0
                ? page.Header.RowCount
                : throw new ParquetException("a page header lacks its number of rows");
        }
        else
        {
            values = values[_repetitionLevels.ResetV1(values, page.Header.RepetitionEncoding, page.Header.ValueCount)..];
            values = values[_definitionLevels.ResetV1(values, page.Header.DefinitionEncoding, page.Header.ValueCount)..];
        }

        _pageLeft = page.Header.ValueCount;
        StartValues(page.Header, values);
    }

    private void StartValues(in PageHeader header, ReadOnlyMemory<byte> values)
    {
        HasIndices = header.Encoding is ParquetEncoding.RleDictionary or ParquetEncoding.PlainDictionary;
        if (!HasIndices)
        {
            // A page of nulls only may lack even the head of its encoding.
            _decoder = values.IsEmpty ? new NoValues() : ValueDecoders.Create<T>(_column, header.Encoding, values, header.ValueCount);
            return;
        }

        int width = values.IsEmpty ? 0 : values.Span[0];
        _indices.Reset(values.IsEmpty ? values : values[1..], width);
    }

    private void ReadDictionary(in Page page)
    {
        if (Dictionary.Length > 0)
        {
            throw new ParquetException("the chunk has two dictionary pages");
        }

        if (page.Header.Encoding is not (ParquetEncoding.Plain or ParquetEncoding.PlainDictionary))
        {
            throw new ParquetException($"a dictionary in encoding {page.Header.Encoding} is not supported");
        }

        // Every value but a boolean takes a byte or more, and booleans have no dictionaries.
        if (page.Header.ValueCount > page.Body.Length || _column.PhysicalType == ParquetPhysicalType.Boolean)
        {
            throw new ParquetException($"a dictionary of {page.Header.ValueCount} values in {page.Body.Length} bytes");
        }

        Dictionary = new T[page.Header.ValueCount];
        ValueDecoders.Create<T>(_column, ParquetEncoding.Plain, page.Body, page.Header.ValueCount).Decode(Dictionary);
    }

    private sealed class NoValues : ValueDecoder<T>
    {
        public override void Decode(Span<T> destination) => throw ParquetException.EndOfData("the values");
    }
}
