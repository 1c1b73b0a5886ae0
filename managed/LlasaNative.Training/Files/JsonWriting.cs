using System.Text.Encodings.Web;
using System.Text.Json;

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
}
