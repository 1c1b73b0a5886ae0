using LlasaNative.Weights;

namespace LlasaNative.Data.Parquet;

/// <summary>Writes a Parquet file row by row; it holds one row group in memory.</summary>
/// <remarks>
/// <para>The file appears under its name only when <see cref="Complete"/> has run: until then it is a temporary file beside it,
/// which <see cref="Dispose"/> removes. A row that is refused leaves no trace.</para>
/// <para><b>Threads:</b> one at a time.</para>
/// </remarks>
/// <example>
/// <code>
/// ParquetSchema schema = new(ParquetField.Text("text"), ParquetField.Leaf("index", ParquetPhysicalType.Int64));
/// using ParquetWriter writer = ParquetWriter.Create("train.parquet", schema);
/// writer.Write("Hello", 0L);
/// writer.Complete();
/// </code>
/// </example>
public sealed class ParquetWriter : IDisposable
{
    private static ReadOnlySpan<byte> Magic => "PAR1"u8;

    private readonly Stream _output;
    private readonly string? _path;
    private readonly string _name;
    private readonly ParquetWriteOptions _options;
    private readonly PageSink _sink;
    private readonly ColumnBuffer[] _columns;
    private readonly NodeWriter[] _fields;
    private readonly List<ParquetRowGroup> _groups = [];
    private long _rowsInGroup;
    private bool _isComplete;

    private ParquetWriter(Stream output, string? path, string name, ParquetSchema schema, ParquetWriteOptions options)
    {
        (_output, _path, _name, _options, Schema) = (output, path, name, options, schema);
        _sink = new PageSink(output, options);
        _columns = [.. schema.Columns.Select(column => ColumnBuffer.Create(column, options))];
        _fields = [.. schema.Fields.Select(field => NodeWriter.Create(field, _columns))];
        _sink.WriteRaw(Magic);
    }

    /// <summary>The columns.</summary>
    public ParquetSchema Schema { get; }

    /// <summary>Rows written so far.</summary>
    public long RowCount { get; private set; }

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file; one that exists is replaced when the new one is complete.</param>
    /// <param name="schema">Its columns.</param>
    /// <param name="options">How to write; null for the defaults.</param>
    /// <returns>A writer that the caller disposes.</returns>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    /// <exception cref="UsageException">The options or the schema cannot be written.</exception>
    public static ParquetWriter Create(string path, ParquetSchema schema, ParquetWriteOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        Validate(schema, options ??= ParquetWriteOptions.Default);
        try
        {
            return new ParquetWriter(new FileStream(Temporary(path), FileMode.Create, FileAccess.Write), path, path, schema, options);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ParquetException(path, null, null, null, $"cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Starts a file in a stream.</summary>
    /// <param name="output">Where to write, from its present position; it stays open.</param>
    /// <param name="schema">The columns.</param>
    /// <param name="options">How to write; null for the defaults.</param>
    /// <returns>A writer that the caller disposes.</returns>
    /// <exception cref="UsageException">The options or the schema cannot be written.</exception>
    public static ParquetWriter Create(Stream output, ParquetSchema schema, ParquetWriteOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        Validate(schema, options ??= ParquetWriteOptions.Default);
        return new ParquetWriter(output, null, string.Empty, schema, options);
    }

    /// <summary>Writes a row.</summary>
    /// <param name="row">Its values by name; fields that it does not have are null.</param>
    /// <exception cref="ParquetException">A value does not fit its field.</exception>
    public void Write(ParquetRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        object?[] values = new object?[_fields.Length];
        int known = 0;
        for (int i = 0; i < values.Length; i++)
        {
            string name = Schema.Fields[i].Name;
            int index = i < row.Count && row.Names[i] == name ? i : row.IndexOf(name);
            known += index >= 0 ? 1 : 0;
            values[i] = index < 0 ? null : row[index];
        }

        if (known < row.Count)
        {
            string unknown = row.Names.First(name => Schema.Fields.All(field => field.Name != name));
            throw new ParquetException(_name, null, null, RowCount, $"the schema has no field `{unknown}`");
        }

        Write(values);
    }

    /// <summary>Writes a row.</summary>
    /// <param name="values">One value for each field below the root, of the types that <see cref="ParquetRow"/> gives.</param>
    /// <exception cref="ParquetException">A value does not fit its field.</exception>
    public void Write(params object?[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, _fields.Length);
        ObjectDisposedException.ThrowIf(_isComplete, this);
        foreach (ColumnBuffer column in _columns)
        {
            column.BeginRow();
        }

        try
        {
            for (int i = 0; i < values.Length; i++)
            {
                _fields[i].Write(values[i], 0, 0);
            }
        }
        catch (Exception e)
        {
            foreach (ColumnBuffer column in _columns)
            {
                column.RollBack();
            }

            if (e is ParquetException fault)
            {
                throw fault.At(_name, _groups.Count, row: RowCount);
            }

            throw;
        }

        RowCount++;
        _rowsInGroup++;
        if (_rowsInGroup >= _options.RowGroupRows || ((_rowsInGroup & 63) == 0 && _columns.Sum(c => c.Bytes) >= _options.RowGroupBytes))
        {
            EndRowGroup();
        }
    }

    /// <summary>Writes the rows held in memory as a row group of their own.</summary>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    public void EndRowGroup()
    {
        ObjectDisposedException.ThrowIf(_isComplete, this);
        if (_rowsInGroup == 0)
        {
            return;
        }

        Guard(() =>
        {
            List<ParquetColumnChunk> chunks = [];
            foreach (ColumnBuffer column in _columns)
            {
                ParquetColumnChunk chunk = column.Flush(_sink);
                chunk.PathInSchema = PathOf(column.Column);
                chunks.Add(chunk);
            }

            _groups.Add(new ParquetRowGroup
            {
                RowCount = _rowsInGroup,
                FirstRow = RowCount - _rowsInGroup,
                TotalBytes = chunks.Sum(chunk => chunk.UncompressedBytes),
                Columns = chunks,
            });
        });
        _rowsInGroup = 0;
    }

    /// <summary>Writes what is left and the footer, and gives the file its name.</summary>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    public void Complete()
    {
        EndRowGroup();
        Guard(() =>
        {
            ReadOnlySpan<byte> footer = FooterWriter.Make(Schema, _groups, _options);
            _sink.WriteRaw(footer);
            _sink.WriteRaw(BitConverter.GetBytes(footer.Length));
            _sink.WriteRaw(Magic);
            if (_path is null)
            {
                _output.Flush();
                return;
            }

            ((FileStream)_output).Flush(flushToDisk: true);
            _output.Dispose();
            File.Move(Temporary(_path), _path, overwrite: true);
            DurableFiles.FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(_path))!);
        });
        _isComplete = true;
    }

    /// <summary>Ends writing; without <see cref="Complete"/> before, nothing stays.</summary>
    public void Dispose()
    {
        if (_path is null || _isComplete)
        {
            return;
        }

        _output.Dispose();
        File.Delete(Temporary(_path));
        _isComplete = true;
    }

    private void Guard(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (FileErrors.IsWriteFailure(e))
        {
            throw new ParquetException(_name, null, null, null, $"cannot be written: {e.Message}", e);
        }
    }

    private static void Validate(ParquetSchema schema, ParquetWriteOptions options)
    {
        ArgumentNullException.ThrowIfNull(schema);
        options.Validate();
        foreach (ParquetField field in SchemaTree.Flatten(schema))
        {
            if (!field.IsLeaf && field.Children.Count == 0)
            {
                throw new UsageException($"Parquet: the group `{field.Path}` has no fields");
            }

            if (field.Children.GroupBy(child => child.Name).FirstOrDefault(names => names.Count() > 1) is { } twice)
            {
                throw new UsageException($"Parquet: two fields are named `{twice.First().Path}`");
            }
        }

        foreach ((string path, ParquetEncoding encoding) in options.Encodings)
        {
            if (schema.Find(path) is not { IsLeaf: true } column || !ValueEncoders.Supports(column, encoding))
            {
                throw new UsageException($"Parquet: encoding {encoding} cannot be used for column `{path}`");
            }
        }
    }

    private static List<string> PathOf(ParquetField column)
    {
        List<string> path = [];
        for (ParquetField at = column; at.Parent is not null; at = at.Parent)
        {
            path.Insert(0, at.Name);
        }

        return path;
    }

    private static string Temporary(string path) => path + ".tmp";
}
