using System.Globalization;
using System.Text.Json.Nodes;
using LlasaNative.Data.Parquet;

namespace LlasaNative.Tests.Data.Parquet;

/// <summary>Rows as the JSON that the fixtures hold: times as counts, bytes as hexadecimal, decimals and days as text.</summary>
internal static class ParquetJson
{
    public static JsonNode? Of(object? value) => value switch
    {
        null => null,
        ParquetRow row => new JsonObject(row.Names.Select((name, i) => KeyValuePair.Create(name, Of(row[i])))),
        KeyValuePair<object?, object?>[] map => new JsonArray([.. map.Select(pair => new JsonArray(Of(pair.Key), Of(pair.Value)))]),
        byte[] bytes => Convert.ToHexStringLower(bytes),
        object?[] list => new JsonArray([.. list.Select(Of)]),
        string text => text,
        bool flag => flag,
        float number => Number(number),
        double number => Number(number),
        Half number => Number((double)number),
        ParquetDecimal number => number.ToString(),
        DateOnly date => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        ParquetTime time => time.Value,
        ulong number => number,
        _ => Convert.ToInt64(value, CultureInfo.InvariantCulture),
    };

    private static JsonNode Number(double value) =>
        double.IsFinite(value) ? value : double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";

    /// <summary>Asserts that a row is the JSON of a fixture's line.</summary>
    public static void AssertEqual(object? actual, string expected, string where)
    {
        JsonNode? wanted = JsonNode.Parse(expected);
        JsonNode? got = JsonNode.Parse(Of(actual)?.ToJsonString() ?? "null");
        if (!JsonNode.DeepEquals(got, wanted))
        {
            Assert.Fail($"{where}: expected {wanted?.ToJsonString()}, got {got?.ToJsonString()}");
        }
    }
}
