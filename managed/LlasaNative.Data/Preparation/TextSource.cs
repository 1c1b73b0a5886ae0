namespace LlasaNative.Data;

/// <summary>Reads texts from files of different kinds, one by one.</summary>
/// <remarks>
/// <c>.txt</c>: a text on each line. <c>.jsonl</c>: an object on each line, perhaps with <c>language</c>, <c>duration</c>, <c>codes</c>,
/// <c>voice</c> and <c>voice_text</c>. <c>.csv</c>: names in the first line, fields quoted
/// as in RFC 4180. <c>.parquet</c>: verl's schema, or a column with texts. <c>.memmap</c>: <see cref="TokenMatrix"/>. Which files of a directory are read says
/// <see cref="DataFiles"/>. <b>Threads:</b> any; each enumeration belongs to one.
/// </remarks>
public static class TextSource
{
    /// <summary>The lists of codes that are read where nobody asks for others.</summary>
    internal static IReadOnlyList<string> UsualCodes { get; } = ["codes"];

    private static readonly string[] _endings = [".txt", ".jsonl", ".csv", ".parquet", TokenMatrix.Ending];

    /// <summary>Reads one file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="textColumn">The field that holds the text, for files with fields.</param>
    /// <returns>Its entries in order, with those that cannot be used.</returns>
    /// <exception cref="LlasaException">The file as a whole cannot be read (while enumerating).</exception>
    public static IEnumerable<SourceRow> Read(string path, string textColumn = "text") => Read(path, textColumn, UsualCodes);

    /// <summary>The same with other lists of codes beside the text than <see cref="UsualCodes"/>.</summary>
    internal static IEnumerable<SourceRow> Read(string path, string textColumn, IReadOnlyList<string> codeColumns)
    {
        ArgumentNullException.ThrowIfNull(path);
        IEnumerable<SourceRow> rows = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".parquet" => ParquetTextSource.Read(path, textColumn, codeColumns),
            ".jsonl" => Lines(path).Select(line => FromJson(new RowPlace(path, line.Number), line.Text, textColumn, codeColumns)),
            ".csv" => ReadCsv(path, textColumn),
            TokenMatrix.Ending => TokenMatrix.Read(path),
            _ => Lines(path).Select(line => new SourceRow(line.Text) { Place = new RowPlace(path, line.Number) }),
        };
        return rows.Select(row => row.Text.Contains('\0', StringComparison.Ordinal)
            ? SourceRow.Broken(row.Place, "the text holds a NUL byte: it is no text, or UTF-16 without a mark that says so")
            : row);
    }

    /// <summary>The endings of the kinds that can be read, for people.</summary>
    internal static string Endings => string.Join(", ", _endings);

    /// <summary>Whether a file is of a kind that can be read, by its ending.</summary>
    internal static bool IsKnown(string path) => _endings.Contains(Path.GetExtension(path).ToLowerInvariant());

    internal static IEnumerable<(long Number, string Text)> Lines(string path)
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

    internal static StreamReader Open(string path) =>
        DataFileException.Reading(path, () => new StreamReader(path, new UTF8Encoding(false, throwOnInvalidBytes: true)));

    internal static string? NextLine(string path, StreamReader reader, long number)
    {
        try
        {
            string? line = reader.ReadLine();
            return number == 1 && line is not null && FileErrors.LfsFault(Encoding.UTF8.GetBytes(line)) is { } pointer ? throw new DataFileException(path, null, pointer) : line;
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

    private static SourceRow FromJson(RowPlace place, string line, string textColumn, IReadOnlyList<string> codeColumns)
    {
        try
        {
            using JsonDocument document = PythonJson.Parse(Encoding.UTF8.GetBytes(line));
            JsonElement root = document.RootElement;
            if (NoText(root, textColumn) is { } missing)
            {
                return SourceRow.Broken(place, missing);
            }

            return new SourceRow(root.GetProperty(textColumn).GetString()!, Text(root, "language"), Duration(root))
            {
                CodeLists = [.. codeColumns.Select(name => Codes(root, name))],
                Voice = SourceRow.VoiceOf(place, Text(root, "voice"), Text(root, "voice_text")),
                Place = place,
            };
        }
        catch (FormatException e)
        {
            return SourceRow.Broken(place, e.Message, e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return SourceRow.Broken(place, $"it is no valid JSON: {e.Message}", e);
        }
    }

    /// <summary>What an entry of JSON has in place of an object with a text; null where it has one.</summary>
    internal static string? NoText(JsonElement root, string textColumn) => root.ValueKind != JsonValueKind.Object
        ? $"expected an object with a text `{textColumn}`, found {Shown(root)}"
        : !root.TryGetProperty(textColumn, out JsonElement text)
            ? $"expected an object with a text `{textColumn}`, found the fields {string.Join(", ", root.EnumerateObject().Take(8).Select(field => field.Name))}"
            : text.ValueKind == JsonValueKind.String ? null : $"expected a text `{textColumn}`, found {(PythonJson.IsNaN(text) ? "NaN" : Shown(text))}";

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length > 60 ? text[..60] + "…" : text;
    }

    /// <summary>A field of JSON that is a text; null for any other.</summary>
    internal static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static double? Duration(JsonElement root) =>
        !root.TryGetProperty("duration", out JsonElement value) || value.ValueKind == JsonValueKind.Null || PythonJson.IsNaN(value) ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) && number >= 0 ? number
        : throw new FormatException($"`duration` is {value.GetRawText()}, expected seconds, at least 0");

    private static int[]? Codes(JsonElement root, string name) =>
        !root.TryGetProperty(name, out JsonElement list) || list.ValueKind == JsonValueKind.Null ? null
        : list.ValueKind != JsonValueKind.Array ? throw new FormatException($"`{name}` is not a list")
        : [.. list.EnumerateArray().Select(code => code.ValueKind == JsonValueKind.Number && code.TryGetInt32(out int number) ? number
            : throw new FormatException($"`{name}`: code {code.GetRawText()} is not a whole number"))];

    private static IEnumerable<SourceRow> ReadCsv(string path, string textColumn)
    {
        using IEnumerator<(long Number, string[] Fields)> records = CsvReader.ReadFile(path).GetEnumerator();
        string[] names = records.MoveNext() ? records.Current.Fields : [];
        int text = Array.IndexOf(names, textColumn);
        if (text < 0)
        {
            throw new DataFileException(path, 1, $"there is no column `{textColumn}` among {string.Join(", ", names)}");
        }

        (int language, int duration) = (Array.IndexOf(names, "language"), Array.IndexOf(names, "duration"));
        (int voice, int said) = (Array.IndexOf(names, "voice"), Array.IndexOf(names, "voice_text"));
        while (records.MoveNext())
        {
            (long number, string[] fields) = records.Current;
            if (fields is not [""])
            {
                SourceRow row = FromCsv(new RowPlace(path, number), fields, names, text, language, duration);
                yield return voice < 0 || row.Fault is not null ? row : row with { Voice = SourceRow.VoiceOf(row.Place, fields[voice], said < 0 ? null : fields[said]) };
            }
        }
    }

    private static SourceRow FromCsv(RowPlace place, string[] fields, string[] names, int text, int language, int duration)
    {
        if (fields.Length != names.Length)
        {
            return SourceRow.Broken(place, $"{fields.Length} fields instead of {names.Length}, or an open quote");
        }

        double? seconds = null;
        if (duration >= 0 && fields[duration].Length > 0)
        {
            if (!double.TryParse(fields[duration], CultureInfo.InvariantCulture, out double number) || double.IsInfinity(number) || number < 0)
            {
                return SourceRow.Broken(place, $"`duration` is {fields[duration]}, expected seconds, at least 0");
            }

            seconds = double.IsNaN(number) ? null : number;   // as pandas writes what is missing
        }

        return new SourceRow(fields[text], language < 0 || fields[language].Length == 0 ? null : fields[language], seconds) { Place = place };
    }
}
