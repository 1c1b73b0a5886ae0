namespace LlasaNative.Data.Parquet;

/// <summary>Walks over the entries of one column chunk: their levels, and their values as objects.</summary>
internal abstract class ColumnCursor(ParquetField column)
{
    public ParquetField Column { get; } = column;

    /// <summary>Repetition level of the current entry; 0 at the end.</summary>
    public int Repetition { get; protected set; }

    /// <summary>Definition level of the current entry; -1 at the end.</summary>
    public int Definition { get; protected set; }

    public bool IsAtEnd => Definition < 0;

    /// <summary>The value of the current entry, which must have one.</summary>
    public abstract object Value();

    /// <summary>Goes to the next entry.</summary>
    public abstract void Advance();

    public static ColumnCursor Create(ByteSource source, ParquetField column, ParquetColumnChunk chunk, ParquetReadOptions options) =>
        column.PhysicalType!.Value switch
        {
            ParquetPhysicalType.Boolean => new ColumnCursor<bool>(source, column, chunk, options),
            ParquetPhysicalType.Int32 => new ColumnCursor<int>(source, column, chunk, options),
            ParquetPhysicalType.Int64 => new ColumnCursor<long>(source, column, chunk, options),
            ParquetPhysicalType.Int96 => new ColumnCursor<ParquetInt96>(source, column, chunk, options),
            ParquetPhysicalType.Float => new ColumnCursor<float>(source, column, chunk, options),
            ParquetPhysicalType.Double => new ColumnCursor<double>(source, column, chunk, options),
            _ => new ColumnCursor<ReadOnlyMemory<byte>>(source, column, chunk, options),
        };
}

/// <inheritdoc/>
/// <typeparam name="T">The .NET type of the column's stored type.</typeparam>
internal sealed class ColumnCursor<T> : ColumnCursor
{
    private readonly ColumnChunkReader<T> _reader;
    private readonly Func<T, object> _convert;
    private object?[] _known = [];
    private int _entry;
    private int _value;

    public ColumnCursor(ByteSource source, ParquetField column, ParquetColumnChunk chunk, ParquetReadOptions options)
        : base(column)
    {
        _reader = new ColumnChunkReader<T>(source, column, chunk, options);
        _convert = (Func<T, object>)ValueConversion.ToObject(column);
        _entry = -1;
        Advance();
    }

    public override object Value()
    {
        if (!_reader.HasIndices)
        {
            return _convert(_reader.Values[_value]);
        }

        // Every value of the dictionary is converted once.
        int index = _reader.Indices[_value];
        return _known[index] ??= _convert(_reader.Dictionary[index]);
    }

    public override void Advance()
    {
        if (Definition == Column.MaxDefinitionLevel && _entry >= 0)
        {
            _value++;
        }

        if (++_entry >= _reader.Count && !NextBatch())
        {
            (Repetition, Definition) = (0, -1);
            return;
        }

        Repetition = _reader.Repetition[_entry];
        Definition = _reader.Definition[_entry];
    }

    private bool NextBatch()
    {
        _entry = _value = 0;
        try
        {
            if (!_reader.ReadBatch())
            {
                return false;
            }
        }
        catch (ParquetException e)
        {
            throw e.At(string.Empty, column: Column.Path);
        }

        if (_known.Length != _reader.Dictionary.Length)
        {
            _known = new object?[_reader.Dictionary.Length];
        }

        return true;
    }
}
