using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlasaNative.Weights;

/// <summary>How this library writes JSON for people and other programs: indented, LF, letters unescaped.</summary>
public static class JsonWriting
{
    /// <summary>The options.</summary>
    public static JsonSerializerOptions Indented { get; } = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    // Below the options that it is made of.
    private static readonly JsonSerializerOptions _results = new(Indented)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new FiniteNumber() },
    };

    /// <summary>The file of a result: its properties in their order, named in snake_case; one that is null is left out, and NaN and infinity are null.</summary>
    /// <param name="result">Any object, also one without a type of its own; keys of dictionaries stay as they are.</param>
    public static byte[] ToFile(object result) => [.. JsonSerializer.SerializeToUtf8Bytes(result, _results), (byte)'\n'];

    private sealed class FiniteNumber : JsonConverter<double>
    {
        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDouble();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (double.IsFinite(value))
            {
                writer.WriteNumberValue(value);
            }
            else
            {
                writer.WriteNullValue();
            }
        }
    }
}
