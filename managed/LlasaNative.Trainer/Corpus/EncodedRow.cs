namespace LlasaNative.Trainer.Corpus;

/// <summary>What became of one entry of a source: speech codes beside their text, or why it was left out.</summary>
internal sealed record EncodedRow(string Source)
{
    public string? Fault { get; init; }

    public string Text { get; init; } = "";

    public string? Language { get; init; }

    public int[] Codes { get; init; } = [];

    /// <summary>Seconds of the sound that was encoded.</summary>
    public double Duration { get; init; }

    /// <summary>What the recogniser heard in the codes' sound; null when nobody was asked.</summary>
    public string? Transcript { get; init; }

    /// <summary>Wrong characters of the transcript, and characters of the text, as they are compared.</summary>
    public (int Wrong, int Characters) Errors { get; init; }

    public double Cer => (double)Errors.Wrong / Math.Max(Errors.Characters, 1);

    /// <summary>Whether a line of the journal is an entry that was encoded: such a line is one of the output, too.</summary>
    public static bool IsEncoded(string line) => line.StartsWith("{\"text\":", StringComparison.Ordinal);

    public void Write(Utf8JsonWriter json)
    {
        if (Fault is not null)
        {
            json.WriteString("fault", Fault);
            json.WriteString("source", Source);
            return;
        }

        json.WriteString("text", Text);
        if (Language is not null)
        {
            json.WriteString("language", Language);
        }

        json.WriteNumber("duration", Math.Round(Duration, 4));
        json.WriteString("source", Source);
        if (Transcript is not null)
        {
            json.WriteFinite("cer", Math.Round(Cer, 6));
            json.WriteString("transcript", Transcript);
            json.WriteNumber("wrong", Errors.Wrong);
            json.WriteNumber("characters", Errors.Characters);
        }

        json.WriteStartArray("codes");
        foreach (var code in Codes)
        {
            json.WriteNumberValue(code);
        }

        json.WriteEndArray();
    }

    public static EncodedRow Parse(string path, long number, string line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            var source = root.GetProperty("source").GetString()!;
            return root.TryGetProperty("fault", out var fault) ? new EncodedRow(source) { Fault = fault.GetString() } : new EncodedRow(source)
            {
                Text = root.GetProperty("text").GetString()!,
                Language = root.TryGetProperty("language", out var language) ? language.GetString() : null,
                Duration = root.GetProperty("duration").GetDouble(),
                Codes = [.. root.GetProperty("codes").EnumerateArray().Select(code => code.GetInt32())],
                Transcript = root.TryGetProperty("transcript", out var transcript) ? transcript.GetString() : null,
                Errors = root.TryGetProperty("wrong", out var wrong) ? (wrong.GetInt32(), root.GetProperty("characters").GetInt32()) : default,
            };
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new DataFileException(path, number, string.Create(CultureInfo.InvariantCulture, $"is not what `llasa encode` wrote: {e.Message}"), e);
        }
    }
}
