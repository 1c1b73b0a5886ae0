using System.Text.Json;

namespace LlasaNative.Reporting;

/// <summary>Numbers in JSON, which knows no NaN.</summary>
public static class JsonNumbers
{
    /// <summary>Writes a number, or null when it is NaN or infinite.</summary>
    /// <param name="json">Where to.</param>
    /// <param name="name">Property name.</param>
    /// <param name="value">Any number.</param>
    public static void WriteFinite(this Utf8JsonWriter json, string name, double value)
    {
        ArgumentNullException.ThrowIfNull(json);
        if (double.IsFinite(value))
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }
}
