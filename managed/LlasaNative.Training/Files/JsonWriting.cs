using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlasaNative.Weights;

/// <summary>How this library writes JSON for people and other programs: LF, letters unescaped.</summary>
/// <remarks>
/// An object may be without a type of its own. Its properties come in their order, named in snake_case; one that is null is left out, NaN
/// and infinity are null, and keys of dictionaries stay as they are.
/// </remarks>
public static class JsonWriting
{
    /// <summary>The options of files.</summary>
    public static JsonSerializerOptions Indented { get; } = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    // Below the options that they are made of.
    private static readonly JsonSerializerOptions _results = Of(null, indented: true);
    private static readonly JsonSerializerOptions _lines = Of(null, indented: false);
    private static readonly JsonSerializerOptions _page = Of("G6", indented: false);

    /// <summary>The file of a result.</summary>
    /// <param name="result">Any object.</param>
    public static byte[] ToFile(object result) => [.. JsonSerializer.SerializeToUtf8Bytes(result, _results), (byte)'\n'];

    /// <summary>A line of a file, its end included.</summary>
    /// <param name="line">Any object.</param>
    public static byte[] ToLine(object line) => [.. JsonSerializer.SerializeToUtf8Bytes(line, _lines), (byte)'\n'];

    /// <summary>What a page draws: numbers have six digits, more than a curve or its readout shows.</summary>
    /// <param name="data">Any object.</param>
    public static byte[] ToPage(object data) => JsonSerializer.SerializeToUtf8Bytes(data, _page);

    private static JsonSerializerOptions Of(string? numbers, bool indented) => new(Indented)
    {
        WriteIndented = indented,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new FiniteNumber(numbers) },
    };

    private sealed class FiniteNumber(string? format) : JsonConverter<double>
    {
        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDouble();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            if (!double.IsFinite(value))
            {
                writer.WriteNullValue();
            }
            else if (format is null)
            {
                writer.WriteNumberValue(value);
            }
            else
            {
                writer.WriteRawValue(value.ToString(format, CultureInfo.InvariantCulture), skipInputValidation: true);
            }
        }
    }
}
