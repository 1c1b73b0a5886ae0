using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;

namespace LlasaNative.Text;

/// <summary>Reads JSON as Python's <c>json</c> writes it: with <c>NaN</c>, <c>Infinity</c> and <c>-Infinity</c>, which JSON does not have.</summary>
/// <remarks>
/// Such a number becomes a list of its name, so that a field which nobody reads is passed over, and whoever reads a number or
/// a text there refuses it by the name. A byte-order mark in front is passed over. <b>Threads:</b> any.
/// </remarks>
/// <example><code>using JsonDocument document = PythonJson.Parse(File.ReadAllBytes("config.json"));</code></example>
public static partial class PythonJson
{
    /// <summary>Parses a document.</summary>
    /// <param name="json">Its UTF-8 text; must stay as it is while the document is used.</param>
    /// <param name="options">How deep it may be, and so on.</param>
    /// <exception cref="JsonException">It is no JSON, such numbers apart.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json, JsonDocumentOptions options = default) =>
        Read(json, text => JsonDocument.Parse(text, options));

    /// <summary>Reads a text by a function that knows only JSON.</summary>
    /// <typeparam name="T">What comes of it.</typeparam>
    /// <param name="json">UTF-8 text.</param>
    /// <param name="read">Reads JSON; is called again, with such numbers as lists, when it throws.</param>
    /// <exception cref="JsonException">As <paramref name="read"/> throws it.</exception>
    public static T Read<T>(ReadOnlyMemory<byte> json, Func<ReadOnlyMemory<byte>, T> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        json = json.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? json[3..] : json;
        try
        {
            return read(json);
        }
        catch (JsonException) when (Listed(json.Span) is { } listed)
        {
            return read(listed);
        }
    }

    /// <summary>Reads an object of a known type.</summary>
    /// <typeparam name="T">Its type.</typeparam>
    /// <param name="json">UTF-8 text.</param>
    /// <param name="type">How it is read.</param>
    /// <returns>Null for <c>null</c>.</returns>
    /// <exception cref="JsonException">It is no JSON, such numbers apart, or a value is of another type than its field, which the message names with what was expected and found.</exception>
    public static T? Deserialize<T>(ReadOnlyMemory<byte> json, JsonTypeInfo<T> type)
    {
        ArgumentNullException.ThrowIfNull(type);
        return Read(json, text =>
        {
            try
            {
                return JsonSerializer.Deserialize(text.Span, type);
            }
            catch (JsonException e) when (e.Path is { } path && e.Message.Contains("could not be converted", StringComparison.Ordinal))
            {
                // What cannot be shown either is no Unicode, or nested too deep; the serializer would name a class of this program.
                throw new JsonException(JsonFault.Of(text, type, path) ?? $"{path}: a value of another type, or no valid Unicode", path, e.LineNumber, e.BytePositionInLine, e);
            }
        });
    }

    /// <summary>Whether an element was <c>NaN</c>, as pandas writes what is missing.</summary>
    /// <param name="element">An element of a document that was read here.</param>
    public static bool IsNaN(JsonElement element) =>
        element.ValueKind == JsonValueKind.Array && element.GetArrayLength() == 1 && element[0].ValueKind == JsonValueKind.String && element[0].ValueEquals("NaN");

    /// <summary>An object with some of its fields set, all else as it was, such numbers included.</summary>
    /// <param name="json">UTF-8 text of the object.</param>
    /// <param name="fields">Names and texts, numbers or flags; a name that is not there comes last.</param>
    /// <param name="options">How it is written.</param>
    /// <exception cref="JsonException">It is no JSON, such numbers apart, or no object.</exception>
    public static string WithFields(ReadOnlyMemory<byte> json, IReadOnlyList<(string Name, object Value)> fields, JsonSerializerOptions options)
    {
        json = json.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? json[3..] : json;
        // A text that stands for such a number while it is no number: one that the object does not hold.
        string mark = "number:";
        while (json.Span.IndexOf(Encoding.UTF8.GetBytes(mark)) >= 0)
        {
            mark += ":";
        }

        using JsonDocument document = JsonDocument.Parse(Named(json.Span, $"\"{mark}", "\"") ?? json);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException($"expected an object, found {document.RootElement.ValueKind}");
        }

        // Of a name that comes twice the last counts, as in Python.
        OrderedDictionary<string, object> all = [];
        foreach ((string name, object value) in document.RootElement.EnumerateObject().Select(p => (p.Name, (object)p.Value)).Concat(fields))
        {
            all[name] = value;
        }

        string written = JsonSerializer.Serialize(all, options);
        foreach (string name in new[] { "NaN", "Infinity", "-Infinity" })
        {
            written = written.Replace($"\"{mark}{name}\"", name, StringComparison.Ordinal);
        }

        return written;
    }

    // The text with such numbers as lists; null when there are none outside of texts.
    private static byte[]? Listed(ReadOnlySpan<byte> json) => Named(json, "[\"", "\"]");

    // The text with such numbers between two others; null when there are none outside of texts.
    private static byte[]? Named(ReadOnlySpan<byte> json, string before, string after)
    {
        // In Latin-1 every byte is a letter, and comes back as it was.
        string text = Encoding.Latin1.GetString(json);
        string named = TextOrNumber().Replace(text, match => match.Groups["number"].Success ? before + match.Value + after : match.Value);
        return named.Length == text.Length ? null : Encoding.Latin1.GetBytes(named);
    }

    // A text, which may lack its end and in which what is escaped ends nothing; or such a number: NaNs, or Infinity2, is none.
    [GeneratedRegex(@"\x22[^\x22\\]*(\\.[^\x22\\]*)*(\x22|\z)|(?<number>NaN|-?Infinity)(?![A-Za-z0-9])", RegexOptions.Singleline | RegexOptions.ExplicitCapture)]
    private static partial Regex TextOrNumber();
}
