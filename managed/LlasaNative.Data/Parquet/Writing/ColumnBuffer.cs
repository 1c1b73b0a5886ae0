using System.Runtime.CompilerServices;

namespace LlasaNative.Data.Parquet;

/// <summary>Collects the entries of one column until its row group is written.</summary>
internal abstract class ColumnBuffer(ParquetField column)
{
    public ParquetField Column { get; } = column;

    public List<byte> Repetition { get; } = [];

    public List<byte> Definition { get; } = [];

    /// <summary>Bytes that the column takes in memory, about.</summary>
    public long Bytes { get; protected set; }

    /// <summary>Remembers where a row starts, so that a row which fails half-way can be taken back.</summary>
    public abstract void BeginRow();

    public abstract void RollBack();

    /// <summary>Adds a value, which must not be null.</summary>
    public abstract void AddValue(object value, int repetition);

    /// <summary>Adds a null or the placeholder of something absent above.</summary>
    public void AddAbsent(int repetition, int definition)
    {
        Repetition.Add((byte)repetition);
        Definition.Add((byte)definition);
        Bytes += 2;
    }

    /// <summary>Writes the column chunk and forgets its entries.</summary>
    public abstract ParquetColumnChunk Flush(PageSink sink);

    public static ColumnBuffer Create(ParquetField column, ParquetWriteOptions options) => column.PhysicalType!.Value switch
    {
        ParquetPhysicalType.Boolean => new ColumnBuffer<bool>(column, options),
        ParquetPhysicalType.Int32 => new ColumnBuffer<int>(column, options),
        ParquetPhysicalType.Int64 => new ColumnBuffer<long>(column, options),
        ParquetPhysicalType.Int96 => new ColumnBuffer<ParquetInt96>(column, options),
        ParquetPhysicalType.Float => new ColumnBuffer<float>(column, options),
        ParquetPhysicalType.Double => new ColumnBuffer<double>(column, options),
        _ => new ColumnBuffer<byte[]>(column, options),
    };
}

/// <inheritdoc/>
/// <typeparam name="T">The .NET type of the column's stored type, with <c>byte[]</c> for byte arrays.</typeparam>
internal sealed class ColumnBuffer<T> : ColumnBuffer
    where T : notnull
{
    private readonly ParquetWriteOptions _options;
    private readonly Func<object, T> _convert;
    private readonly Dictionary<T, int> _places;
    private readonly List<T> _dictionary = [];
    private readonly List<int> _indices = [];
    private readonly List<T> _values = [];
    private bool _usesDictionary;
    private long _dictionaryBytes;
    private (int Entries, int Indices, int Values, long Bytes) _row;

    public ColumnBuffer(ParquetField column, ParquetWriteOptions options)
        : base(column)
    {
        _options = options;
        _convert = (Func<object, T>)ValueStorage.FromObject(column);
        _places = new Dictionary<T, int>(ValueComparison.Equality<T>());
        Restart();
    }

    public override void BeginRow()
    {
        // Once the dictionary is full, rows go on without it; a page never starts inside a row.
        _usesDictionary &= _dictionaryBytes <= _options.DictionaryBytes;
        _row = (Repetition.Count, _indices.Count, _values.Count, Bytes);
    }

    public override void RollBack()
    {
        Cut(Repetition, _row.Entries);
        Cut(Definition, _row.Entries);
        Cut(_indices, _row.Indices);
        Cut(_values, _row.Values);
        Bytes = _row.Bytes;

        static void Cut<TItem>(List<TItem> list, int count) => list.RemoveRange(count, list.Count - count);
    }

    public override void AddValue(object value, int repetition)
    {
        T stored;
        try
        {
            stored = _convert(value);
        }
        catch (Exception e) when (e is InvalidCastException or OverflowException or System.Text.EncoderFallbackException)
        {
            string reason = e is InvalidCastException ? string.Empty : $": {e.Message}";
            throw new ParquetException(
                string.Empty, null, Column.Path, null,
                $"{value.GetType().Name} cannot be stored as {Column.LogicalType.Kind} {Column.PhysicalType}{reason}", e);
        }

        AddAbsent(repetition, Column.MaxDefinitionLevel);
        int size = SizeOf(stored);
        if (!_usesDictionary)
        {
            _values.Add(stored);
            Bytes += size;
            return;
        }

        if (!_places.TryGetValue(stored, out int place))
        {
            place = _dictionary.Count;
            _places.Add(stored, place);
            _dictionary.Add(stored);
            _dictionaryBytes += size;
            Bytes += size;
        }

        _indices.Add(place);
        Bytes += sizeof(int);
    }

    public override ParquetColumnChunk Flush(PageSink sink)
    {
        ParquetEncoding encoding = _options.Encodings.GetValueOrDefault(Column.Path, ParquetEncoding.Plain);
        ChunkWriter<T> writer = new(Column, _options, encoding, sink);
        ParquetColumnChunk chunk = writer.Write(this, _dictionary, _indices, _values);
        if (_options.WriteStatistics)
        {
            int values = _indices.Count + _values.Count;
            chunk.Statistics = ValueComparison.Statistics(Column, _dictionary, _values, Repetition.Count - values);
        }

        Repetition.Clear();
        Definition.Clear();
        Restart();
        return chunk;
    }

    private void Restart()
    {
        _places.Clear();
        _dictionary.Clear();
        _indices.Clear();
        _values.Clear();
        (_dictionaryBytes, Bytes) = (0, 0);
        _usesDictionary = _options.UseDictionary && typeof(T) != typeof(bool) && !_options.Encodings.ContainsKey(Column.Path);
    }

    public static int SizeOf(T value) => value is byte[] bytes ? bytes.Length + sizeof(int) : Unsafe.SizeOf<T>();
}
