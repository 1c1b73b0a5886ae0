using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;

namespace LlasaNative.Text;

/// <summary>Says of a JSON value that is of another type than the field it stands in what was expected and what was found.</summary>
internal static partial class JsonFault
{
    private const int Shown = 60;

    /// <summary>The fault of a document.</summary>
    /// <param name="json">Its UTF-8 text.</param>
    /// <param name="type">What was read.</param>
    /// <param name="path">Where, as <see cref="JsonException.Path"/> has it.</param>
    /// <returns>Null where the document is no JSON, or the place is not found.</returns>
    public static string? Of(ReadOnlyMemory<byte> json, JsonTypeInfo type, string path)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            (JsonElement value, Type? wanted) = (document.RootElement, type.Type);
            foreach (Match step in Steps().Matches(path))
            {
                _ = type.Options.TryGetTypeInfo(wanted ?? typeof(object), out JsonTypeInfo? info);
                string name = step.Groups["name"].Value;
                (value, wanted) = name.Length == 0
                    ? (value[int.Parse(step.Groups["index"].ValueSpan, CultureInfo.InvariantCulture)], info?.ElementType)
                    : (value.GetProperty(name), info?.Properties.FirstOrDefault(property => property.Name == name)?.PropertyType);
            }

            // What Python writes beside JSON has become a list of its name.
            string found = value.GetRawText() is var raw && raw is "[\"NaN\"]" or "[\"Infinity\"]" or "[\"-Infinity\"]" ? raw[2..^2] : raw;
            string field = path.StartsWith("$.", StringComparison.Ordinal) ? $"`{path[2..]}`: " : string.Empty;
            return wanted is null ? null : $"{field}expected {Expected(wanted)}, found {(found.Length > Shown ? found[..Shown] + "…" : found)}";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or IndexOutOfRangeException)
        {
            return null;
        }
    }

    private static string Expected(Type type) => Type.GetTypeCode(Nullable.GetUnderlyingType(type) ?? type) switch
    {
        TypeCode.String => "a text, in valid Unicode",
        TypeCode.Boolean => "true or false",
        TypeCode.Int32 => $"a whole number from {int.MinValue} to {int.MaxValue}",
        TypeCode.Int64 => $"a whole number from {long.MinValue} to {long.MaxValue}",
        TypeCode.Single or TypeCode.Double => "a number",
        TypeCode.Object when type == typeof(byte[]) => "a text in base64",
        TypeCode.Object when typeof(IEnumerable).IsAssignableFrom(type) && !typeof(IDictionary).IsAssignableFrom(type) => "a list",
        TypeCode.Object => "an object",
        _ => $"a value of its type, {type.Name}",
    };

    [GeneratedRegex(@"\.(?<name>[^.\[\]]+)|\[(?<index>\d+)\]")]
    private static partial Regex Steps();
}
