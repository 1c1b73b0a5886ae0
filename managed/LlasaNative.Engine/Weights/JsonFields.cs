using System.Runtime.CompilerServices;
using System.Text.Unicode;

namespace LlasaNative.Weights;

/// <summary>Typed access to the fields of one JSON object; every error names the file and the field.</summary>
/// <param name="element">The object.</param>
/// <param name="path">The file.</param>
/// <param name="prefix">What stands before the names of fields in errors.</param>
internal readonly struct JsonFields(JsonElement element, string path, string prefix)
{
    public string Path => path;

    /// <summary>Parses a file whose top level is an object.</summary>
    public static JsonFields FromFile(string path) => Parse(FileErrors.ReadAllBytes(path), path);

    /// <summary>Parses a file that need not be there; without it there are no fields.</summary>
    public static JsonFields FromFileOrEmpty(string path) => File.Exists(path) ? FromFile(path) : Parse("{}"u8.ToArray(), path);

    public static JsonFields Parse(ReadOnlyMemory<byte> json, string path) => Document(json, path, root => root.ValueKind == JsonValueKind.Object
        ? new JsonFields(root.Clone(), path, string.Empty)   // so that the element does not depend on the document's pooled memory
        : throw new ModelFileException(path, null, $"expected a JSON object, found {root.ValueKind}"));

    /// <summary>Reads a document by its top level, which is valid while it is read.</summary>
    public static T Document<T>(ReadOnlyMemory<byte> json, string path, Func<JsonElement, T> read)
    {
        ModelFileException.ThrowIf(!Utf8.IsValid(json.Span), path, null, "not valid UTF-8 text");
        try
        {
            using JsonDocument document = PythonJson.Parse(json);
            return read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new ModelFileException(path, null, $"not valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            // What the element types allow is checked one by one; this is half of a surrogate pair in an escape.
            throw new ModelFileException(path, null, $"holds text that is not valid: {e.Message}", e);
        }
    }

    /// <summary>Whether the object has no fields.</summary>
    public bool IsEmpty => !element.EnumerateObject().MoveNext();

    /// <summary>Whether the field is there and not null.</summary>
    public bool Has(string name) => TryGet(name, out _);

    /// <summary>All fields, in the order of the file.</summary>
    public IEnumerable<(string Name, JsonElement Value)> All()
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            yield return (NameOf(property, path), property.Value);
        }
    }

    public bool TryGet(string name, out JsonElement value) =>
        element.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    public JsonFields? ObjectOrNull(string name) => !TryGet(name, out JsonElement value) ? null
        : value.ValueKind == JsonValueKind.Object ? new JsonFields(value, path, prefix + name + ".")
        : throw Wrong(name, "an object", value);

    public string String(string name) => TryGet(name, out JsonElement value) ? AsString(name, value) : throw Missing(name);

    public string StringOr(string name, string fallback) => TryGet(name, out JsonElement value) ? AsString(name, value) : fallback;

    public bool BoolOr(string name, bool fallback) => !TryGet(name, out JsonElement value) ? fallback : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(name, "true or false", value),
    };

    public int Int(string name, int minimum, int maximum) =>
        TryGet(name, out JsonElement value) ? AsInt(name, value, minimum, maximum) : throw Missing(name);

    public int IntOr(string name, int fallback, int minimum, int maximum) =>
        TryGet(name, out JsonElement value) ? AsInt(name, value, minimum, maximum) : fallback;

    public int? IntOrNull(string name, int minimum, int maximum) =>
        TryGet(name, out JsonElement value) ? AsInt(name, value, minimum, maximum) : null;

    public double PositiveOr(string name, double fallback) => !TryGet(name, out JsonElement value) ? fallback
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) && number > 0 ? number
        : throw Wrong(name, "a positive number", value);

    public double Positive(string name) => Has(name) ? PositiveOr(name, 0) : throw Missing(name);

    /// <summary>A list of whole numbers; a single number counts as a list of one; absent gives an empty list.</summary>
    public int[] Ints(string name, int minimum, int maximum)
    {
        JsonFields fields = this;
        return !TryGet(name, out JsonElement value) ? [] : value.ValueKind switch
        {
            JsonValueKind.Number => [AsInt(name, value, minimum, maximum)],
            JsonValueKind.Array => [.. value.EnumerateArray().Select((item, i) => fields.AsInt(FormattableString.Invariant($"{name}[{i}]"), item, minimum, maximum))],
            _ => throw Wrong(name, "a list of whole numbers", value),
        };
    }

    /// <summary>An object whose values are whole numbers; absent gives an empty map.</summary>
    public Dictionary<string, int> IntMap(string name) => ObjectOrNull(name)?.IntMap(int.MaxValue) ?? new(StringComparer.Ordinal);

    /// <summary>All fields, which are whole numbers from 0 on.</summary>
    public Dictionary<string, int> IntMap(int maximum)
    {
        Dictionary<string, int> map = new(StringComparer.Ordinal);
        foreach ((string key, JsonElement value) in All())
        {
            map[key] = AsInt(key, value, 0, maximum);
        }

        return map;
    }

    /// <summary>The name of a property; half of a surrogate pair in it is an error of the file.</summary>
    public static string NameOf(JsonProperty property, string path)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFileException(path, null, "a property name is not valid text", e);
        }
    }

    /// <summary>The text of a string value.</summary>
    public static string TextOf(JsonElement value, string path, string field)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFileException(path, field, "not valid text", e);
        }
    }

    public void ThrowIf(bool isFault, string name, [InterpolatedStringHandlerArgument(nameof(isFault))] FaultText message) =>
        ModelFileException.ThrowIf(isFault, path, prefix + name, message);

    public ModelFileException Error(string name, string message) => new(path, prefix + name, message);

    private ModelFileException Missing(string name) => Error(name, "missing");

    private ModelFileException Wrong(string name, string expected, JsonElement found)
    {
        string text = found.GetRawText();
        return Error(name, $"expected {expected}, found {(text.Length > 60 ? text[..60] + "…" : text)}");
    }

    private string AsString(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? TextOf(value, path, prefix + name) : throw Wrong(name, "a string", value);

    private int AsInt(string name, JsonElement value, int minimum, int maximum) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= minimum && number <= maximum ? number
        : throw Wrong(name, FormattableString.Invariant($"a whole number from {minimum} to {maximum}"), value);
}
