using LlasaNative.Rewards;

namespace LlasaNative.Reporting.Publishing;

/// <summary>A sample of an evaluation, read back from the line that <see cref="SampleJson"/> wrote.</summary>
internal sealed record EvaluatedSample(string Text, string Transcript, JsonElement Line)
{
    private const string PartsKey = "reward_parts";

    public static EvaluatedSample Read(string path, long number, string line)
    {
        try
        {
            var root = JsonElement.Parse(line);
            return new EvaluatedSample(root.GetProperty("text").GetString()!, root.GetProperty("transcript").GetString()!, root);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new LlasaException($"{path}: line {number}: is no sample of an evaluation: {e.Message}", e);
        }
    }

    /// <summary>A number of the line; NaN where there is none.</summary>
    public double Number(string name) => Line.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : double.NaN;

    /// <summary>What components of the reward say of it, those that weigh nothing included: by name.</summary>
    public IEnumerable<string> Parts => Line.TryGetProperty(PartsKey, out var parts) && parts.ValueKind == JsonValueKind.Object ? parts.EnumerateObject().Select(p => p.Name) : [];

    /// <summary>What one of them says; NaN where it says nothing.</summary>
    public double Part(string name) => Line.TryGetProperty(PartsKey, out var parts) && parts.ValueKind == JsonValueKind.Object && parts.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
        ? value.GetDouble() : double.NaN;

    /// <summary>Whether somebody could listen to it.</summary>
    public bool IsScored => TextOf("guard") != "not_scored";

    public bool Ended => Line.TryGetProperty("ended", out var value) && value.ValueKind == JsonValueKind.True;

    /// <summary>Edits and their number, of characters or of words, as the reward compares texts.</summary>
    public TextRatio Errors(bool words)
    {
        var (text, heard) = (TextOf("compared_text") ?? Text, TextOf("compared_transcript") ?? Transcript);
        var (edits, count) = words ? CharacterErrorRate.CountWords(text, heard) : CharacterErrorRate.Count(text, heard);
        return new TextRatio(edits, count);
    }

    private string? TextOf(string name) => Line.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
