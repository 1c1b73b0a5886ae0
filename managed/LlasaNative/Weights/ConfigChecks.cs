using System.Text.Json;

namespace LlasaNative.Weights;

/// <summary>Refusals shared by the typed configurations.</summary>
internal static class ConfigChecks
{
    /// <summary>Refuses another architecture; a config that names none is judged by <c>model_type</c>.</summary>
    public static void RequireModelType(JsonFields json, string modelType, string architecture)
    {
        if (json.TryGet("architectures", out JsonElement list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0)
        {
            bool found = false;
            foreach (JsonElement item in list.EnumerateArray())
            {
                found |= item.ValueKind == JsonValueKind.String && item.ValueEquals(architecture);
            }

            if (!found)
            {
                throw json.Error("architectures", $"{list.GetRawText()} is not supported, expected [\"{architecture}\"]");
            }
        }

        string type = json.String("model_type");
        if (type != modelType)
        {
            throw json.Error("model_type", $"`{type}` is not supported, expected `{modelType}`");
        }
    }

    public static void RequireText(JsonFields json, string name, string expected, string fallback)
    {
        string value = json.StringOr(name, fallback);
        if (value != expected)
        {
            throw json.Error(name, $"`{value}` is not supported, expected `{expected}`");
        }
    }

    public static void RequireFalse(JsonFields json, string name)
    {
        if (json.BoolOr(name, false))
        {
            throw json.Error(name, "true is not supported");
        }
    }
}
