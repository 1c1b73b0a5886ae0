using Apache.Arrow;
using Apache.Arrow.Ipc;
using ParquetSharp;
using ParquetSharp.Arrow;

namespace LlasaNative.Data.Parquet;

/// <summary>Reads rows of a Parquet file: its footer at once, rows as they are asked for.</summary>
/// <remarks>
/// <para>Apache's C++ reader does the work, by way of ParquetSharp; here its columns become rows and its errors get their place.
/// It holds a page of each chosen column, and the rows of one batch.</para>
/// <para>Checksums of pages that have one are compared. <b>Threads:</b> one at a time. <b>Lifetime:</b> enumerations end with the reader.</para>
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
    private const int BatchRows = 256;

    private readonly FileReader _file;
    private readonly string[] _columns;
    private readonly HashSet<string> _texts = [];

    private ParquetReader(string path, Func<ReaderProperties, ArrowReaderProperties, FileReader> open, bool verifyChecksums, int batchRows = BatchRows)
    {
        Path = path;
        // Its own pool keeps what was freed, several times what is held at once.
        using ReaderProperties properties = ReaderProperties.WithMemoryPool(MemoryPool.SystemMemoryPool());
        properties.EnableBufferedStream();   // else a column of a whole row group is read before its first row is
        if (verifyChecksums)
        {
            properties.EnablePageChecksumVerification();
        }

        using ArrowReaderProperties arrow = ArrowReaderProperties.GetDefault();
        arrow.UseThreads = false;
        arrow.PreBuffer = false;   // would read a whole row group ahead
        arrow.BatchSize = batchRows;
        FileReader? file = null;
        try
        {
            file = _file = open(properties, arrow);
            using ParquetFileReader footer = _file.ParquetReader;
            FileMetaData metadata = footer.FileMetaData;
            _columns = new string[metadata.NumColumns];
            for (int i = 0; i < _columns.Length; i++)
            {
                ColumnDescriptor column = metadata.Schema.Column(i);
                _columns[i] = column.Path.ToDotString();
                using LogicalType meaning = column.LogicalType;
                if (meaning is StringLogicalType)
                {
                    _texts.Add(_columns[i]);
                }
            }

            ParquetRowGroup[] groups = new ParquetRowGroup[metadata.NumRowGroups];
            for (int g = 0; g < groups.Length; g++)
            {
                using RowGroupReader group = footer.RowGroup(g);
                long rows = group.MetaData.NumRows;
                groups[g] = rows >= 0 ? new ParquetRowGroup(RowCount, rows) : throw new ParquetException(path, g, null, null, $"its number of rows is {rows}");
                RowCount = checked(RowCount + rows);
            }

            RowGroups = groups;
        }
        catch (Exception e)
        {
            file?.Dispose();
            throw e as ParquetException ?? new ParquetException(path, null, null, null, ParquetException.Plain(e), e);
        }
    }

    /// <summary>The file as it was named.</summary>
    public string Path { get; }

    /// <summary>Number of rows.</summary>
    public long RowCount { get; }

    /// <summary>The row groups, in order.</summary>
    public IReadOnlyList<ParquetRowGroup> RowGroups { get; }

    /// <summary>The columns that hold values, as dotted paths: <c>extra_info.text</c>, <c>prompt.list.element.role</c>.</summary>
    public IReadOnlyList<string> Columns => _columns;

    /// <summary>Opens a file and reads its footer.</summary>
    /// <param name="path">The file.</param>
    /// <param name="batchRows">Rows that are held at once: fewer where they are large.</param>
    /// <returns>A reader that the caller disposes.</returns>
    /// <exception cref="ParquetException">The file cannot be read or is no valid Parquet file.</exception>
    public static ParquetReader Open(string path, int batchRows = BatchRows)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            // Says better than the C++ library why a file cannot be opened.
            using FileStream file = File.OpenRead(path);
            Span<byte> beginning = stackalloc byte[256];
            if (FileErrors.LfsFault(beginning[..file.ReadAtLeast(beginning, beginning.Length, throwOnEndOfStream: false)]) is { } pointer)
            {
                throw new ParquetException(path, null, null, null, pointer);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string message = Directory.Exists(path) ? "expected a file, found a directory" : FileErrors.Unreadable(string.Empty, e).Message;
            throw new ParquetException(path, null, null, null, message, e);
        }

        return new ParquetReader(path, (properties, arrow) => new FileReader(path, properties, arrow), verifyChecksums: true, batchRows);
    }

    /// <summary>Reads a file from a stream.</summary>
    /// <param name="stream">The file; it must be possible to seek in it. It is closed with the reader.</param>
    /// <param name="name">What to call it in errors.</param>
    /// <param name="verifyChecksums">Whether the checksums of pages that have one are compared.</param>
    /// <returns>A reader that the caller disposes.</returns>
    /// <exception cref="ParquetException">It is no valid Parquet file.</exception>
    public static ParquetReader Open(Stream stream, string name = "", bool verifyChecksums = true) =>
        new(name, (properties, arrow) => new FileReader(stream, properties, arrow, leaveOpen: false), verifyChecksums);

    /// <summary>Whether there is such a column, or a group of columns.</summary>
    /// <param name="path">Its dotted path.</param>
    public bool Has(string path) => _columns.Any(column => IsBelow(column, path));

    /// <summary>Whether there is such a column with texts, so named by its writer.</summary>
    /// <param name="path">Its dotted path.</param>
    public bool HasText(string path) => _texts.Contains(path);

    /// <summary>Reads all rows, or some columns of them.</summary>
    /// <param name="columns">Paths of columns or of groups of columns; null for all.</param>
    /// <returns>The rows in the order of the file, read as they are enumerated.</returns>
    /// <exception cref="ParquetException">A column does not exist, or the file is damaged (while enumerating).</exception>
    public IEnumerable<ParquetRow> ReadRows(IReadOnlyCollection<string>? columns = null)
    {
        int[] chosen = Choose(columns);
        return Enumerable.Range(0, RowGroups.Count).SelectMany(g => Rows(g, chosen));
    }

    /// <summary>Reads rows from one on, each with its place.</summary>
    /// <inheritdoc cref="ReadRows"/>
    /// <param name="columns">Paths of columns or of groups of columns.</param>
    /// <param name="skip">The first row.</param>
    internal IEnumerable<(RowPlace Place, ParquetRow Row)> ReadPlaced(IReadOnlyCollection<string> columns, long skip = 0)
    {
        int[] chosen = Choose(columns);
        foreach ((int group, ParquetRowGroup rows) in RowGroups.Index().Where(g => g.Item.FirstRow + g.Item.RowCount > skip))
        {
            foreach ((int index, ParquetRow row) in Rows(group, chosen).Index().Where(r => rows.FirstRow + r.Index >= skip))
            {
                yield return (new RowPlace(Path, rows.FirstRow + index, group), row);
            }
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private IEnumerable<ParquetRow> Rows(int rowGroup, int[] columns)
    {
        (long row, long end) = (RowGroups[rowGroup].FirstRow, RowGroups[rowGroup].FirstRow + RowGroups[rowGroup].RowCount);
        using IArrowArrayStream? stream = row == end ? null : At(rowGroup, row, columns, () => _file.GetRecordBatchReader([rowGroup], columns));
        while (row < end)
        {
            using RecordBatch batch = At(rowGroup, row, columns, () => Next(stream!, end - row));
            ArrowRows rows = new(batch);
            for (int i = 0; i < batch.Length; i++, row++)
            {
                ParquetRow read;
                try
                {
                    read = rows[i];
                }
                catch (ParquetException e)
                {
                    throw e.At(Path, rowGroup, row: row);
                }

                yield return read;
            }
        }
    }

    private static RecordBatch Next(IArrowArrayStream stream, long expected)
    {
        RecordBatch batch = stream.ReadNextRecordBatchAsync().AsTask().GetAwaiter().GetResult() is { Length: > 0 } some
            ? some
            : throw new ParquetException($"the columns end before the row group: {expected} more rows are expected");
        return batch.Length <= expected && batch.Arrays.All(column => column.Length == batch.Length)
            ? batch
            : throw new ParquetException($"the columns have {batch.Length} rows and more, {expected} are expected");
    }

    /// <summary>Does a part of the reading of some rows, and gives its error their place: the first row that could not be read, and the column.</summary>
    private T At<T>(int rowGroup, long row, int[] columns, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e)
        {
            string message = e is ParquetException own ? own.Detail : ParquetException.Plain(e);
            throw new ParquetException(Path, rowGroup, Damaged(rowGroup, columns), row, message, e);
        }
    }

    /// <summary>The column that cannot be read alone either; null when each can.</summary>
    private string? Damaged(int rowGroup, int[] columns)
    {
        foreach (int column in columns)
        {
            try
            {
                using IArrowArrayStream stream = _file.GetRecordBatchReader([rowGroup], [column]);
                for (long left = RowGroups[rowGroup].RowCount; left > 0;)
                {
                    using RecordBatch batch = Next(stream, left);
                    left -= batch.Length;
                }
            }
            catch (Exception)
            {
                return _columns[column];
            }
        }

        return null;
    }

    private int[] Choose(IReadOnlyCollection<string>? paths)
    {
        foreach (string path in paths ?? [])
        {
            _ = Has(path) ? path : throw new ParquetException(Path, null, path, null, "there is no such column");
        }

        int[] chosen = [.. Enumerable.Range(0, _columns.Length).Where(i => paths is null || paths.Any(path => IsBelow(_columns[i], path)))];
        return chosen.Length > 0 ? chosen : throw new ParquetException(Path, null, null, null, "no column is chosen, or the file has none");
    }

    private static bool IsBelow(string column, string path) =>
        column.StartsWith(path, StringComparison.Ordinal) && (column.Length == path.Length || column[path.Length] == '.');
}
