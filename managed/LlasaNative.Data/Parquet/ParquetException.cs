using System.Text.RegularExpressions;

namespace LlasaNative.Data.Parquet;

/// <summary>A Parquet file is missing, damaged, not supported, or holds a row that does not fit its purpose.</summary>
/// <remarks>
/// The message reads <c>path: row group 0, column `a.b`, row 17: what was expected and what was found</c>; parts that are
/// not known are left out. <b>Threads:</b> immutable.
/// </remarks>
public sealed partial class ParquetException : LlasaException
{
    /// <summary>Creates an error that names no place.</summary>
    /// <param name="message">One line: what was expected and what was found.</param>
    public ParquetException(string message)
        : this(string.Empty, null, null, null, message)
    {
    }

    /// <summary>Creates an error about a place in a file.</summary>
    /// <param name="path">The file as the user named it; empty when there is none.</param>
    /// <param name="rowGroup">Index of the row group, from 0; null when none is meant.</param>
    /// <param name="column">Dotted path of the column; null when none is meant.</param>
    /// <param name="row">Index of the row in the whole file, from 0; null when none is meant.</param>
    /// <param name="message">One line: what was expected and what was found.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public ParquetException(
        string path, int? rowGroup, string? column, long? row, string message, Exception? innerException = null)
        : base(Compose(path, rowGroup, column, row, message), innerException)
    {
        Path = path;
        RowGroup = rowGroup;
        Column = column;
        Row = row;
        Detail = message;
    }

    /// <summary>The file as the user named it; empty when there is none.</summary>
    public string Path { get; }

    /// <summary>Index of the row group, from 0; null when none is meant.</summary>
    public int? RowGroup { get; }

    /// <summary>Dotted path of the column; null when none is meant.</summary>
    public string? Column { get; }

    /// <summary>Index of the row in the whole file, from 0; null when none is meant.</summary>
    public long? Row { get; }

    /// <summary>The message without the place.</summary>
    public string Detail { get; }

    /// <summary>The same error with the parts of the place that it does not name yet.</summary>
    internal ParquetException At(string path, int? rowGroup = null, string? column = null, long? row = null) => new(
        Path.Length == 0 ? path : Path, RowGroup ?? rowGroup, Column ?? column, Row ?? row, Detail, InnerException ?? this);

    /// <summary>What a library's error says, in one line.</summary>
    internal static string Plain(Exception e) => (LibraryMessage().Match(e.Message) is { Success: true } match ? match.Groups[1].Value : e.Message).Split('\n')[0];

    // N7parquet16ParquetExceptionE (message: '...'); an error of a stream comes with where it was thrown.
    [GeneratedRegex(@"\(message: '(.*)'\)$", RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex LibraryMessage();

    private static string Compose(string path, int? rowGroup, string? column, long? row, string message)
    {
        StringBuilder text = new();
        if (path.Length > 0)
        {
            text.Append(path).Append(": ");
        }

        List<string> place = [];
        if (rowGroup is int group)
        {
            place.Add(string.Create(CultureInfo.InvariantCulture, $"row group {group}"));
        }

        if (column is not null)
        {
            place.Add($"column `{column}`");
        }

        if (row is long index)
        {
            place.Add(string.Create(CultureInfo.InvariantCulture, $"row {index}"));
        }

        if (place.Count > 0)
        {
            text.AppendJoin(", ", place).Append(": ");
        }

        // A damaged file can put control characters into a name.
        string line = text.Append(message).ToString();
        return string.Create(line.Length, line, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) || source[i] is '\u2028' or '\u2029' ? ' ' : source[i];
            }
        });
    }
}
