using System.Globalization;
using System.Text;
using System.Text.Json;
using LlasaNative.Data.Parquet;

namespace LlasaNative.Data;

/// <summary>Reads texts from files of different kinds, one by one.</summary>
/// <remarks>
/// <c>.txt</c>: a text on each line. <c>.jsonl</c>: an object on each line. <c>.csv</c>: names in the first line, fields quoted
/// as in RFC 4180. <c>.parquet</c>: verl's schema, or a column with texts. A directory: all such files below it, by name, as
/// Hugging Face data sets lie on disk. <b>Threads:</b> any; each enumeration belongs to one.
/// </remarks>
public static class TextSource
{
    private static readonly string[] _known = ["language", "duration"];
    private static readonly string[] _endings = [".txt", ".jsonl", ".csv", ".parquet"];

    /// <summary>The files that a path stands for.</summary>
    /// <param name="path">A file or a directory.</param>
    /// <returns>At least one file.</returns>
    /// <exception cref="UsageException">There is none, or its kind is not known.</exception>
    public static IReadOnlyList<string> Files(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path))
        {
            string[] files = [.. Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Where(IsKnown).Order(StringComparer.Ordinal)];
            return files.Length > 0 ? files : throw new UsageException($"{path}: no file ends in {string.Join(", ", _endings)}");
        }

        return IsKnown(path)
            ? File.Exists(path) ? [path] : throw new UsageException($"{path}: no such file")
            : throw new UsageException($"{path}: expected a directory or a file that ends in {string.Join(", ", _endings)}");
    }

    /// <summary>Reads one file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="textColumn">The field that holds the text, for files with fields.</param>
    /// <returns>Its entries in order, with those that cannot be used.</returns>
    /// <exception cref="LlasaException">The file as a whole cannot be read (while enumerating).</exception>
    public static IEnumerable<SourceRow> Read(string path, string textColumn = "text")
    {
        ArgumentNullException.ThrowIfNull(path);
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".parquet" => ReadParquet(path, textColumn),
            ".jsonl" => Lines(path).Select(line => FromJson(path, line.Number, line.Text, textColumn)),
            ".csv" => ReadCsv(path, textColumn),
            _ => Lines(path).Select(line => new SourceRow(line.Text)),
        };
    }

    private static bool IsKnown(string path) => _endings.Contains(Path.GetExtension(path).ToLowerInvariant());

    private static IEnumerable<(long Number, string Text)> Lines(string path)
    {
        using StreamReader reader = Open(path);
        for (long number = 1; NextLine(path, reader, number) is string line; number++)
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                yield return (number, line);
            }
        }
    }

    private static StreamReader Open(string path)
    {
        try
        {
            return new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFileException(path, null, $"cannot be read: {e.Message}", e);
        }
    }

    private static string? NextLine(string path, StreamReader reader, long number)
    {
        try
        {
            return reader.ReadLine();
        }
        catch (DecoderFallbackException e)
        {
            throw new DataFileException(path, number, "it is not valid UTF-8", e);
        }
        catch (IOException e)
        {
            throw new DataFileException(path, number, $"cannot be read: {e.Message}", e);
        }
    }

    private static SourceRow FromJson(string path, long number, string line, string textColumn)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(textColumn, out JsonElement text)
                || text.ValueKind != JsonValueKind.String)
            {
                return SourceRow.Broken(new DataFileException(path, number, $"expected an object with a text `{textColumn}`"));
            }

            string? language = root.TryGetProperty("language", out JsonElement l) && l.ValueKind == JsonValueKind.String ? l.GetString() : null;
            double? duration = root.TryGetProperty("duration", out JsonElement d) && d.ValueKind == JsonValueKind.Number ? d.GetDouble() : null;
            return new SourceRow(text.GetString()!, language, duration);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return SourceRow.Broken(new DataFileException(path, number, $"it is no valid JSON: {e.Message}", e));
        }
    }

    private static IEnumerable<SourceRow> ReadCsv(string path, string textColumn)
    {
        using StreamReader reader = Open(path);
        long number = 1;
        string[] names = CsvReader.ReadRecord(() => NextLine(path, reader, number++)) ?? [];
        int text = Array.IndexOf(names, textColumn);
        if (text < 0)
        {
            throw new DataFileException(path, 1, $"there is no column `{textColumn}` among {string.Join(", ", names)}");
        }

        (int language, int duration) = (Array.IndexOf(names, "language"), Array.IndexOf(names, "duration"));
        while (true)
        {
            long start = number;
            if (CsvReader.ReadRecord(() => NextLine(path, reader, number++)) is not { } fields)
            {
                yield break;
            }

            if (fields is [""])
            {
                continue;
            }

            yield return fields.Length == names.Length
                ? new SourceRow(
                    fields[text],
                    language < 0 || fields[language].Length == 0 ? null : fields[language],
                    duration >= 0 && double.TryParse(fields[duration], CultureInfo.InvariantCulture, out double seconds) ? seconds : null)
                : SourceRow.Broken(new DataFileException(path, start, $"{fields.Length} fields instead of {names.Length}, or an open quote"));
        }
    }

    private static IEnumerable<SourceRow> ReadParquet(string path, string textColumn)
    {
        using ParquetReader reader = ParquetReader.Open(path);
        string[] candidates = [textColumn, "extra_info.text", "reward_model.ground_truth"];
        string column = candidates.FirstOrDefault(name => reader.Schema.Find(name) is { LogicalType.Kind: ParquetLogicalKind.Text })
            ?? throw new ParquetException(path, null, textColumn, null, "there is no such column of texts, nor verl's columns");
        string[] columns = [column, .. _known.Where(name => reader.Schema.Find(name) is { IsLeaf: true })];
        string[] names = column.Split('.');
        for (int g = 0; g < reader.RowGroups.Count; g++)
        {
            long index = reader.RowGroups[g].FirstRow;
            foreach (ParquetRow row in reader.ReadRowGroup(g, columns))
            {
                object? value = names.Length == 1 ? row[column] : (row[names[0]] as ParquetRow)?[names[1]];
                yield return value is string text
                    ? new SourceRow(text, Value(row, "language") as string, Seconds(Value(row, "duration")))
                    : SourceRow.Broken(new ParquetException(path, g, column, index, "it is null"));
                index++;
            }
        }
    }

    private static object? Value(ParquetRow row, string name) => row.TryGetValue(name, out object? value) ? value : null;

    private static double? Seconds(object? value) =>
        value is double or float or int or long or decimal ? Convert.ToDouble(value, CultureInfo.InvariantCulture) : null;
}
