using System.Runtime.CompilerServices;
using System.Text.Unicode;

namespace LlasaNative.Weights;

/// <summary>Typed access to the fields of one JSON object; every error names the file and the field.</summary>
internal readonly struct JsonFields
{
    private readonly JsonElement _element;
    private readonly string _path;
    private readonly string _prefix;

    private JsonFields(JsonElement element, string path, string prefix)
    {
        _element = element;
        _path = path;
        _prefix = prefix;
    }

    public string Path => _path;

    /// <summary>Parses a file whose top level is an object.</summary>
    public static JsonFields FromFile(string path) => Parse(FileErrors.ReadAllBytes(path), path);

    /// <summary>Parses a file that need not be there; without it there are no fields.</summary>
    public static JsonFields FromFileOrEmpty(string path) => File.Exists(path) ? FromFile(path) : Parse("{}"u8.ToArray(), path);

    public static JsonFields Parse(ReadOnlyMemory<byte> json, string path)
    {
        ModelFileException.ThrowIf(!Utf8.IsValid(json.Span), path, null, "not valid UTF-8 text");
        try
        {
            // Cloned, so that the element does not depend on the document's pooled memory.
            using JsonDocument document = PythonJson.Parse(json, new JsonDocumentOptions { MaxDepth = 64 });
            JsonElement root = document.RootElement.Clone();
            return root.ValueKind == JsonValueKind.Object
                ? new JsonFields(root, path, string.Empty)
                : throw new ModelFileException(path, null, $"expected a JSON object, found {root.ValueKind}");
        }
        catch (JsonException e)
        {
            throw new ModelFileException(path, null, $"not valid JSON: {e.Message}", e);
        }
    }

    /// <summary>Whether the object has no fields.</summary>
    public bool IsEmpty => !_element.EnumerateObject().MoveNext();

    /// <summary>Whether the field is there and not null.</summary>
    public bool Has(string name) => TryGet(name, out _);

    /// <summary>All fields, in the order of the file.</summary>
    public IEnumerable<(string Name, JsonElement Value)> All()
    {
        foreach (JsonProperty property in _element.EnumerateObject())
        {
            yield return (NameOf(property, _path), property.Value);
        }
    }

    public bool TryGet(string name, out JsonElement value) =>
        _element.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    public JsonFields? ObjectOrNull(string name)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Object
            ? new JsonFields(value, _path, _prefix + name + ".")
            : throw Wrong(name, "an object", value);
    }

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

    public double PositiveOr(string name, double fallback)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return fallback;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && double.IsFinite(number) && number > 0
            ? number
            : throw Wrong(name, "a positive number", value);
    }

    public double Positive(string name) => Has(name) ? PositiveOr(name, 0) : throw Missing(name);

    /// <summary>A list of whole numbers; a single number counts as a list of one; absent gives an empty list.</summary>
    public int[] Ints(string name, int minimum, int maximum)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return [];
        }

        if (value.ValueKind == JsonValueKind.Number)
        {
            return [AsInt(name, value, minimum, maximum)];
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong(name, "a list of whole numbers", value);
        }

        int[] values = new int[value.GetArrayLength()];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = AsInt(string.Create(CultureInfo.InvariantCulture, $"{name}[{i}]"), value[i], minimum, maximum);
        }

        return values;
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
        ModelFileException.ThrowIf(isFault, _path, _prefix + name, message);

    public ModelFileException Error(string name, string message) => new(_path, _prefix + name, message);

    private ModelFileException Missing(string name) => Error(name, "missing");

    private ModelFileException Wrong(string name, string expected, JsonElement found)
    {
        string text = found.GetRawText();
        return Error(name, $"expected {expected}, found {(text.Length > 60 ? text[..60] + "…" : text)}");
    }

    private string AsString(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String)
        {
            throw Wrong(name, "a string", value);
        }

        return TextOf(value, _path, _prefix + name);
    }

    private int AsInt(string name, JsonElement value, int minimum, int maximum)
    {
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out int number) || number < minimum || number > maximum)
        {
            throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"a whole number from {minimum} to {maximum}"), value);
        }

        return number;
    }
}
