using System.Text.RegularExpressions;

namespace LlasaNative.Data.Parquet;

/// <summary>A Parquet file is missing, damaged, not supported, or holds a row that does not fit its purpose.</summary>
/// <remarks>
/// The message reads <c>path: row group 0, column `a.b`, row 17: what was expected and what was found</c>; parts that are
/// not known are left out. <b>Threads:</b> immutable.
/// </remarks>
/// <param name="path">The file as the user named it; empty when there is none.</param>
/// <param name="rowGroup">Index of the row group, from 0; null when none is meant.</param>
/// <param name="column">Dotted path of the column; null when none is meant.</param>
/// <param name="row">Index of the row in the whole file, from 0; null when none is meant.</param>
/// <param name="message">One line: what was expected and what was found.</param>
/// <param name="innerException">The cause; may be null.</param>
public sealed partial class ParquetException(string path, int? rowGroup, string? column, long? row, string message, Exception? innerException = null)
    : LlasaException(Compose(path, rowGroup, column, row, message), innerException)
{
    /// <summary>Creates an error that names no place.</summary>
    /// <param name="message">One line: what was expected and what was found.</param>
    public ParquetException(string message)
        : this(string.Empty, null, null, null, message)
    {
    }

    /// <summary>The file as the user named it; empty when there is none.</summary>
    public string Path { get; } = path;

    /// <summary>Index of the row group, from 0; null when none is meant.</summary>
    public int? RowGroup { get; } = rowGroup;

    /// <summary>Dotted path of the column; null when none is meant.</summary>
    public string? Column { get; } = column;

    /// <summary>Index of the row in the whole file, from 0; null when none is meant.</summary>
    public long? Row { get; } = row;

    /// <summary>The message without the place.</summary>
    public string Detail { get; } = message;

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
        string?[] parts =
        [
            rowGroup is int group ? FormattableString.Invariant($"row group {group}") : null,
            column is not null ? $"column `{column}`" : null,
            row is long index ? FormattableString.Invariant($"row {index}") : null,
        ];
        string place = string.Join(", ", parts.OfType<string>());
        string line = $"{(path.Length > 0 ? path + ": " : "")}{(place.Length > 0 ? place + ": " : "")}{message}";
        // A damaged file can put control characters into a name.
        return string.Concat(line.Select(c => char.IsControl(c) || c is '\u2028' or '\u2029' ? ' ' : c));
    }
}
