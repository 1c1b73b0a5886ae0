using System.Globalization;
using System.Text.Json;

namespace LlasaNative.Data;

/// <summary>
/// Reads texts to speak from a <c>.txt</c> file (one per line), a <c>.jsonl</c> file (one object per line) or a <c>.parquet</c>
/// file (verl's schema, or a column of texts).
/// </summary>
public static class PromptFile
{
    /// <summary>Reads all texts; blank lines are left out.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="textField">Field of a .jsonl line that holds the text.</param>
    /// <returns>At least one text, trimmed.</returns>
    /// <exception cref="ModelFileException">The file cannot be read, is of another kind, or a line has no text; the message names the line.</exception>
    /// <exception cref="Parquet.ParquetException">A .parquet file is damaged or a row has no text; the message names row group and row.</exception>
    public static string[] Read(string path, string textField = "text")
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentException.ThrowIfNullOrEmpty(textField);
        List<string> texts = [];
        if (path.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase))
        {
            foreach (var row in TextSource.Read(path, textField))
            {
                texts.Add(row.Fault is null ? row.Text.Trim() : throw row.Fault);
            }

            texts.RemoveAll(text => text.Length == 0);
            return texts.Count > 0 ? [.. texts] : throw new ModelFileException(path, null, "holds no text");
        }

        ReadLines(path, (line, field, number) => texts.Add(Text(line, field, path, number)), textField);
        return texts.Count > 0 ? [.. texts] : throw new ModelFileException(path, null, "holds no text");
    }

    /// <summary>Reads utterances for supervised training: a text and its speech codes per .jsonl line.</summary>
    /// <param name="path">Path of a .jsonl file with fields <c>text</c> and <c>codes</c>.</param>
    /// <param name="codeCount">Size of the codebook.</param>
    /// <returns>At least one utterance.</returns>
    /// <exception cref="ModelFileException">The file cannot be read, or a line is not such an object; the message names the line.</exception>
    public static IReadOnlyList<Utterance> ReadUtterances(string path, int codeCount)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        List<Utterance> utterances = [];
        if (!path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase))
        {
            throw new ModelFileException(path, null, "utterances are read from .jsonl files only");
        }

        ReadLines(path, (line, field, number) => utterances.Add(new Utterance(Text(line, field, path, number), Codes(line, codeCount, path, number))), "text");
        return utterances.Count > 0 ? utterances : throw new ModelFileException(path, null, "holds no utterance");
    }

    private static void ReadLines(string path, Action<JsonElement?, string, int> add, string field)
    {
        var isJson = path.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase);
        if (!isJson && !path.EndsWith(".txt", StringComparison.OrdinalIgnoreCase))
        {
            throw new ModelFileException(path, null, "texts are read from .txt, .jsonl and .parquet files");
        }

        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ModelFileException(path, null, "there is no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(path, null, $"cannot be read: {e.Message}", e);
        }

        for (var i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i]))
            {
                continue;
            }

            if (!isJson)
            {
                add(null, lines[i].Trim(), i + 1);
                continue;
            }

            using var document = Parse(lines[i], path, i + 1);
            add(document.RootElement, field, i + 1);
        }
    }

    private static string Text(JsonElement? line, string field, string path, int number)
    {
        if (line is not { } json)
        {
            return field;
        }

        if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty(field, out var value) || value.ValueKind != JsonValueKind.String)
        {
            throw Fault(path, number, $"has no text field `{field}`");
        }

        var text = value.GetString()!.Trim();
        return text.Length > 0 ? text : throw Fault(path, number, $"field `{field}` is empty");
    }

    private static int[] Codes(JsonElement? line, int codeCount, string path, int number)
    {
        if (!line!.Value.TryGetProperty("codes", out var list) || list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
        {
            throw Fault(path, number, "has no list `codes`");
        }

        var codes = new int[list.GetArrayLength()];
        for (var i = 0; i < codes.Length; i++)
        {
            if (list[i].ValueKind != JsonValueKind.Number || !list[i].TryGetInt32(out codes[i]) || (uint)codes[i] >= (uint)codeCount)
            {
                throw Fault(path, number, $"code {list[i].GetRawText()} is not a whole number from 0 to {codeCount - 1}");
            }
        }

        return codes;
    }

    private static JsonDocument Parse(string line, string path, int number)
    {
        try
        {
            return JsonDocument.Parse(line);
        }
        catch (JsonException e)
        {
            throw new ModelFileException(path, Line(number), "is not valid JSON", e);
        }
    }

    private static ModelFileException Fault(string path, int number, string message) => new(path, Line(number), message);

    private static string Line(int number) => string.Create(CultureInfo.InvariantCulture, $"line {number}");
}
