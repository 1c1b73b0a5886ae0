using Apache.Arrow;
using LlasaNative.Reporting;
using ParquetSharp;
using ParquetSharp.Arrow;

namespace LlasaNative.Data.Parquet;

/// <summary>Writes a Parquet file row by row; it holds one row group in memory.</summary>
/// <remarks>
/// <para>The file appears under its name only when <see cref="Complete"/> has run: until then it is a temporary file beside it,
/// which <see cref="Dispose"/> removes. A row that is refused leaves no trace. The same rows give the same bytes.</para>
/// <para><b>Threads:</b> one at a time.</para>
/// </remarks>
/// <example>
/// <code>
/// Schema schema = new([new Field("text", StringType.Default, nullable: true), new Field("index", Int64Type.Default, nullable: true)], null);
/// using ParquetWriter writer = ParquetWriter.Create("train.parquet", schema);
/// writer.Write("Hello", 0L);
/// writer.Complete();
/// </code>
/// </example>
public sealed class ParquetWriter : IDisposable
{
    private const int BatchRows = 1024;
    private const long RowGroupBytes = 128L << 20;

    private readonly string _path;
    private readonly string? _target;   // null: a pipe or a device
    private readonly Schema _schema;
    private readonly ParquetWriteOptions _options;
    private readonly FileStream _output;
    private readonly FileWriter _file;
    private readonly List<object?>[] _values;
    private long _rowsInGroup;
    private long _bytesInGroup;
    private int _groups;
    private bool _isComplete;

    private ParquetWriter(string path, string? target, Schema schema, ParquetWriteOptions options, FileStream output)
    {
        (_path, _target, _schema, _options, _output) = (path, target, schema, options, output);
        _values = [.. schema.FieldsList.Select(_ => new List<object?>())];
        using WriterPropertiesBuilder builder = new();
        using WriterProperties properties = builder.Compression(options.Compression).EnablePageChecksum().MaxRowGroupLength(options.RowGroupRows).Build();
        _file = new FileWriter(output, schema, properties, leaveOpen: true);
    }

    /// <summary>Rows written so far.</summary>
    public long RowCount { get; private set; }

    /// <summary>Starts a file.</summary>
    /// <param name="path">The file; one that exists is replaced when the new one is complete.</param>
    /// <param name="schema">Its columns: texts, booleans, integers of 32 and 64 bits, floats, doubles, and lists and structs of these.</param>
    /// <param name="options">How to write; null for the defaults.</param>
    /// <returns>A writer that the caller disposes.</returns>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    /// <exception cref="UsageException">The options or the schema cannot be written.</exception>
    public static ParquetWriter Create(string path, Schema schema, ParquetWriteOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        ArgumentNullException.ThrowIfNull(schema);
        (options ??= ParquetWriteOptions.Default).Validate();
        if (schema.FieldsList.FirstOrDefault(field => !ArrowColumn.Supports(field.DataType)) is { } unknown)
        {
            throw new UsageException($"Parquet: column `{unknown.Name}` of type {unknown.DataType.Name} cannot be written");
        }

        FileStream? output = null;
        string? target = AtomicFile.Target(path);
        try
        {
            // Without a buffer, which would be written when a writer that has failed is closed.
            output = new FileStream(target is null ? path : target + ".tmp", FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
            return new ParquetWriter(path, target, schema, options, output);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException or ParquetSharp.ParquetException)
        {
            if (output is not null)
            {
                output.Dispose();
                Remove(target, output);
            }

            throw new ParquetException(path, null, null, null, $"cannot be written: {ParquetException.Plain(e)}", e);
        }
    }

    /// <summary>Writes a row.</summary>
    /// <param name="values">One value for each field of the schema, of the types that <see cref="ParquetRow"/> gives.</param>
    /// <exception cref="ParquetException">A value does not fit its field, or the file cannot be written.</exception>
    public void Write(params object?[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, _values.Length);
        ObjectDisposedException.ThrowIf(_isComplete, this);
        try
        {
            for (int i = 0; i < values.Length; i++)
            {
                ArrowColumn.Check(_schema.FieldsList[i], values[i], _schema.FieldsList[i].Name);
            }
        }
        catch (ParquetException e)
        {
            throw e.At(_path, _groups, row: RowCount);
        }

        for (int i = 0; i < values.Length; i++)
        {
            _values[i].Add(values[i]);
        }

        RowCount++;
        _rowsInGroup++;
        bool isGroup = _rowsInGroup == _options.RowGroupRows;
        if (isGroup || _values[0].Count == BatchRows)
        {
            Flush();
        }

        if (isGroup || _bytesInGroup >= RowGroupBytes)
        {
            (_rowsInGroup, _bytesInGroup, _groups) = (0, 0, _groups + 1);
        }
    }

    /// <summary>Writes what is left and the footer, and gives the file its name.</summary>
    /// <exception cref="ParquetException">The file cannot be written.</exception>
    public void Complete()
    {
        ObjectDisposedException.ThrowIf(_isComplete, this);
        Flush();
        Guard(() =>
        {
            _file.Close();
            _output.Flush(flushToDisk: true);
            Close();
            if (_target is not null)
            {
                File.Move(_output.Name, _target, overwrite: true);
            }

            DurableFiles.FlushDirectory(Path.GetDirectoryName(_output.Name)!);
        });
        _isComplete = true;
    }

    /// <summary>Ends writing; without <see cref="Complete"/> before, nothing stays.</summary>
    public void Dispose()
    {
        if (!_isComplete)
        {
            Close();
            Remove(_target, _output);
            _isComplete = true;
        }
    }

    private void Close()
    {
        _file.Dispose();
        _output.Dispose();
    }

    private void Flush() => Guard(() =>
    {
        int rows = _values[0].Count;
        if (rows == 0)
        {
            return;
        }

        if (_rowsInGroup == rows)
        {
            _file.NewBufferedRowGroup();
        }

        using RecordBatch batch = new(_schema, _schema.FieldsList.Select((field, i) => ArrowColumn.Build(field.DataType, _values[i])), rows);
        _bytesInGroup += batch.Arrays.Sum(array => Bytes(array.Data));
        _file.WriteBufferedRecordBatch(batch);
        System.Array.ForEach(_values, column => column.Clear());
    });

    private void Guard(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (FileErrors.IsWriteFailure(e) || e is ParquetSharp.ParquetException)
        {
            throw new ParquetException(_path, null, null, null, $"cannot be written: {ParquetException.Plain(e)}", e);
        }
    }

    private static long Bytes(ArrayData data) => data.Buffers.Sum(buffer => (long)buffer.Length) + (data.Children?.Sum(Bytes) ?? 0);

    // Of a pipe or a device nothing is taken away.
    private static void Remove(string? target, FileStream output)
    {
        if (target is not null)
        {
            File.Delete(output.Name);
        }
    }
}
