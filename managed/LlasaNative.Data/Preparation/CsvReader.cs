namespace LlasaNative.Data;

/// <summary>Reads records of comma-separated fields as RFC 4180 has them: quotes protect commas, quotes and line ends.</summary>
internal static class CsvReader
{
    /// <summary>Longest record, in characters; a forgotten quote would otherwise take the rest of the file.</summary>
    private const int LongestRecord = 1 << 24;

    /// <summary>The records of a file, each with the line it begins in.</summary>
    /// <exception cref="DataFileException">The file cannot be read, or is no text (while enumerating).</exception>
    public static IEnumerable<(long Number, string[] Fields)> ReadFile(string path)
    {
        using StreamReader reader = TextSource.Open(path);
        long number = 1;
        for (long start = 1; ReadRecord(() => TextSource.NextLine(path, reader, number++)) is { } fields; start = number)
        {
            yield return (start, fields);
        }
    }

    /// <param name="nextLine">Gives the next line, null at the end.</param>
    /// <returns>The fields; null at the end. A quote that stays open ends the record with one field too many.</returns>
    public static string[]? ReadRecord(Func<string?> nextLine)
    {
        if (nextLine() is not string line)
        {
            return null;
        }

        List<string> fields = [];
        StringBuilder field = new();
        bool isQuoted = false;
        int length = line.Length;
        for (int at = 0; ; at++)
        {
            if (at >= line.Length)
            {
                if (!isQuoted)
                {
                    fields.Add(field.ToString());
                    return [.. fields];
                }

                if (length > LongestRecord || nextLine() is not string more)
                {
                    fields.Add(field.ToString());
                    fields.Add(string.Empty);
                    return [.. fields];
                }

                field.Append('\n');
                (line, at, length) = (more, -1, length + more.Length + 1);
                continue;
            }

            char c = line[at];
            if (isQuoted && c == '"' && at + 1 < line.Length && line[at + 1] == '"')
            {
                field.Append('"');
                at++;
            }
            else if (c == '"' && (isQuoted || field.Length == 0))
            {
                isQuoted = !isQuoted;
            }
            else if (c == ',' && !isQuoted)
            {
                fields.Add(field.ToString());
                field.Clear();
            }
            else
            {
                field.Append(c);
            }
        }
    }
}
