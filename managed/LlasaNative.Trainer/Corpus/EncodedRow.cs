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

    /// <summary>The line of the journal.</summary>
    public object ToLine() => Fault is not null ? new { Fault, Source } : new
    {
        Text,
        Language,
        Duration = Math.Round(Duration, 4),
        Source,
        Cer = Transcript is null ? null : (double?)Math.Round(Cer, 6),
        Transcript,
        Wrong = Transcript is null ? null : (int?)Errors.Wrong,
        Characters = Transcript is null ? null : (int?)Errors.Characters,
        Codes,
    };

    public static EncodedRow Parse(string path, long number, string line)
    {
        try
        {
            var root = JsonElement.Parse(line);
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
