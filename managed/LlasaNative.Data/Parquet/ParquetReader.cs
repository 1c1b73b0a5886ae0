using System.Buffers.Binary;

namespace LlasaNative.Data.Parquet;

/// <summary>Reads a Parquet file: its schema and footer at once, rows and columns as they are asked for.</summary>
/// <remarks>
/// <para>Memory stays flat: rows hold one page and one dictionary per column, whatever the size of the file or row group.</para>
/// <para>Everything read from the file is checked; what does not fit gives a <see cref="ParquetException"/>.</para>
/// <para><b>Threads:</b> any number may read at once; each enumeration belongs to one. <b>Lifetime:</b> enumerations end
/// with the reader.</para>
/// </remarks>
/// <example>
/// <code>
/// using ParquetReader reader = ParquetReader.Open("train.parquet");
/// foreach (ParquetRow row in reader.ReadRows(["data_source", "extra_info.text"]))
/// {
///     Console.WriteLine(((ParquetRow)row["extra_info"]!)["text"]);
/// }
/// </code>
/// </example>
public sealed class ParquetReader : IDisposable
{
    private const uint Magic = 0x31524150;          // PAR1
    private const uint EncryptedMagic = 0x45524150; // PARE

    private readonly ByteSource _source;
    private readonly ParquetReadOptions _options;
    private readonly FileMetadata _metadata;

    private ParquetReader(ByteSource source, string path, ParquetReadOptions? options)
    {
        _source = source;
        _options = options ?? ParquetReadOptions.Default;
        Path = path;
        try
        {
            _metadata = ReadFooter(out long dataEnd);
            Schema = SchemaTree.Build(_metadata.Elements);
            FooterChecks.Check(_metadata, Schema, dataEnd);
        }
        catch (ParquetException e)
        {
            source.Dispose();
            throw e.At(path);
        }
    }

    /// <summary>The file as it was named.</summary>
    public string Path { get; }

    /// <summary>The columns.</summary>
    public ParquetSchema Schema { get; }

    /// <summary>Number of rows.</summary>
    public long RowCount => _metadata.RowCount;

    /// <summary>The row groups, in order.</summary>
    public IReadOnlyList<ParquetRowGroup> RowGroups => _metadata.RowGroups;

    /// <summary>What the writer stored beside the data, by key.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata.KeyValues;

    /// <summary>The program that wrote the file; empty when it does not say.</summary>
    public string CreatedBy => _metadata.CreatedBy;

    /// <summary>Opens a file and reads its footer.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How to read; null for the defaults.</param>
    /// <returns>A reader that the caller disposes.</returns>
    /// <exception cref="ParquetException">The file cannot be read or is no valid Parquet file.</exception>
    public static ParquetReader Open(string path, ParquetReadOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return new ParquetReader(ByteSource.OpenFile(path), path, options);
    }

    /// <summary>Reads a file that lies in memory.</summary>
    /// <param name="bytes">The whole file; it must not change while the reader is used.</param>
    /// <param name="name">What to call it in errors.</param>
    /// <param name="options">How to read; null for the defaults.</param>
    /// <returns>A reader that the caller disposes.</returns>
    /// <exception cref="ParquetException">It is no valid Parquet file.</exception>
    public static ParquetReader Open(ReadOnlyMemory<byte> bytes, string name = "", ParquetReadOptions? options = null) =>
        new(new MemorySource(bytes), name, options);

    /// <summary>Reads all rows, or some columns of them.</summary>
    /// <param name="columns">Paths of columns or of groups of columns; null for all.</param>
    /// <returns>The rows in the order of the file, read as they are enumerated.</returns>
    /// <exception cref="ParquetException">A column does not exist, or the file is damaged (also while enumerating).</exception>
    public IEnumerable<ParquetRow> ReadRows(IReadOnlyCollection<string>? columns = null) => Rows(0, RowGroups.Count, columns);

    /// <summary>Reads the rows of one row group, or some columns of them.</summary>
    /// <param name="rowGroup">Its index, from 0.</param>
    /// <param name="columns">Paths of columns or of groups of columns; null for all.</param>
    /// <returns>The rows in the order of the file, read as they are enumerated.</returns>
    /// <exception cref="ParquetException">A column does not exist, or the file is damaged (also while enumerating).</exception>
    public IEnumerable<ParquetRow> ReadRowGroup(int rowGroup, IReadOnlyCollection<string>? columns = null)
    {
        CheckRowGroup(rowGroup);
        return Rows(rowGroup, 1, columns);
    }

    /// <summary>Reads one column of one row group a part at a time, without making objects.</summary>
    /// <typeparam name="T">The .NET type of the column's stored type, see <see cref="ParquetPhysicalType"/>.</typeparam>
    /// <param name="rowGroup">Its index, from 0.</param>
    /// <param name="column">A leaf of <see cref="Schema"/>.</param>
    /// <returns>Parts of at most a few thousand entries; a row may go on in the next part.</returns>
    /// <exception cref="ArgumentException">The column is not a leaf of this schema or holds another type.</exception>
    /// <exception cref="ParquetException">The file is damaged (while enumerating).</exception>
    public IEnumerable<ParquetColumnData<T>> ReadColumnParts<T>(int rowGroup, ParquetField column)
    {
        CheckRowGroup(rowGroup);
        ArgumentNullException.ThrowIfNull(column);
        if (column.ColumnIndex < 0 || column.ColumnIndex >= Schema.Columns.Count || Schema.Columns[column.ColumnIndex] != column)
        {
            throw new ArgumentException($"`{column.Path}` is not a leaf of this file's schema.", nameof(column));
        }

        if (ValueConversion.ToObject(column) is not Func<T, object>)
        {
            throw new ArgumentException($"`{column.Path}` holds {column.PhysicalType}, not {typeof(T).Name}.", nameof(column));
        }

        return Parts<T>(rowGroup, column);
    }

    /// <summary>Reads one column of one row group as a whole, without making objects.</summary>
    /// <typeparam name="T">The .NET type of the column's stored type, see <see cref="ParquetPhysicalType"/>.</typeparam>
    /// <param name="rowGroup">Its index, from 0.</param>
    /// <param name="column">A leaf of <see cref="Schema"/>.</param>
    /// <returns>All entries; memory grows with them.</returns>
    /// <exception cref="ArgumentException">The column is not a leaf of this schema or holds another type.</exception>
    /// <exception cref="ParquetException">The file is damaged.</exception>
    public ParquetColumnData<T> ReadColumn<T>(int rowGroup, ParquetField column)
    {
        List<byte> repetition = [];
        List<byte> definition = [];
        List<T> values = [];
        foreach (ParquetColumnData<T> part in ReadColumnParts<T>(rowGroup, column))
        {
            repetition.AddRange(part.RepetitionLevels);
            definition.AddRange(part.DefinitionLevels);
            values.AddRange(part.Values);
        }

        return new ParquetColumnData<T>([.. repetition], [.. definition], [.. values]);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _source.Dispose();

    private IEnumerable<ParquetColumnData<T>> Parts<T>(int rowGroup, ParquetField column)
    {
        ColumnChunkReader<T> chunk = new(_source, column, RowGroups[rowGroup].Columns[column.ColumnIndex], _options);
        while (Next())
        {
            chunk.ResolveIndices();
            yield return new ParquetColumnData<T>([.. chunk.Repetition], [.. chunk.Definition], [.. chunk.Values]);
        }

        bool Next()
        {
            try
            {
                return chunk.ReadBatch();
            }
            catch (ParquetException e)
            {
                throw e.At(Path, rowGroup, column.Path);
            }
        }
    }

    private RowSequence Rows(int firstGroup, int groupCount, IReadOnlyCollection<string>? columns)
    {
        bool[] chosen = Choose(columns);
        return new RowSequence(() => new RowEnumerator(this, _source, chosen, firstGroup, groupCount, _options));
    }

    private bool[] Choose(IReadOnlyCollection<string>? columns)
    {
        bool[] chosen = new bool[Schema.Columns.Count];
        if (columns is null)
        {
            Array.Fill(chosen, true);
            return chosen;
        }

        foreach (string path in columns)
        {
            ParquetField field = Schema.Find(path) ?? throw new ParquetException(Path, null, path, null, "there is no such column");
            for (int i = 0; i < chosen.Length; i++)
            {
                chosen[i] |= IsBelow(Schema.Columns[i], field);
            }
        }

        return chosen;
    }

    private static bool IsBelow(ParquetField? column, ParquetField field)
    {
        while (column is not null && column != field)
        {
            column = column.Parent;
        }

        return column is not null;
    }

    private void CheckRowGroup(int rowGroup)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rowGroup);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rowGroup, RowGroups.Count);
    }

    private FileMetadata ReadFooter(out long dataEnd)
    {
        Span<byte> end = stackalloc byte[8];
        Span<byte> start = stackalloc byte[4];
        if (_source.Length < 12)
        {
            throw new ParquetException($"{_source.Length} bytes are too short for a Parquet file");
        }

        _source.Read(0, start);
        _source.Read(_source.Length - 8, end);
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(end[4..]);
        if (magic == EncryptedMagic)
        {
            throw new ParquetException("encrypted files are not supported");
        }

        if (magic != Magic || BinaryPrimitives.ReadUInt32LittleEndian(start) != Magic)
        {
            throw new ParquetException("it does not begin and end with PAR1, so it is no Parquet file or is cut off");
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(end);
        if (length > _source.Length - 12 || length > int.MaxValue)
        {
            throw new ParquetException($"its footer of {length} bytes does not fit into {_source.Length} bytes");
        }

        dataEnd = _source.Length - 8 - length;
        byte[] footer = new byte[length];
        _source.Read(dataEnd, footer);
        return FileMetadata.Read(footer);
    }
}
