namespace LlasaNative.Weights;

/// <summary>Refusals shared by the typed configurations.</summary>
internal static class ConfigChecks
{
    /// <summary>Refuses another architecture; a config that names none is judged by <c>model_type</c>.</summary>
    public static void RequireModelType(JsonFields json, string modelType, string architecture)
    {
        string type = json.StringOr("model_type", "");
        string kinds = KindOf(type) is { } kind && type != modelType ? $": this is {kind}, not {KindOf(modelType)}" : string.Empty;
        if (json.TryGet("architectures", out JsonElement list) && list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0)
        {
            bool found = list.EnumerateArray().Any(item => item.ValueKind == JsonValueKind.String && item.ValueEquals(architecture));
            json.ThrowIf(!found, "architectures", $"{list.GetRawText()} is not supported, expected [\"{architecture}\"]{kinds}");
        }

        // Whose weights are numbers of another kind, under the usual names or others.
        if (json.ObjectOrNull("quantization_config") is { } quantization)
        {
            throw json.Error("quantization_config", $"weights quantised by {quantization.StringOr("quant_method", "a method without a name")} are not supported; "
                + "save the model in bf16 or f32 (model.dequantize() in Transformers), or take the entry away if the weights are whole already");
        }

        type = json.String("model_type");
        json.ThrowIf(type != modelType, "model_type", $"`{type}` is not supported, expected `{modelType}`{kinds}");
    }

    private static string? KindOf(string modelType) => modelType switch
    {
        "llama" => "a Llama policy",
        "whisper" => "a Whisper recogniser",
        "xcodec2" => "an X-Codec2 codec",
        _ => null,
    };

    /// <summary>Refuses another choice; <paramref name="names"/> are Transformers' names of the one that is supported, its default first.</summary>
    public static void RequireName(JsonFields json, string name, params ReadOnlySpan<string> names)
    {
        string value = json.StringOr(name, names[0]);
        json.ThrowIf(!names.Contains(value), name, $"`{value}` is not supported, expected `{names[0]}`");
    }

    /// <summary>
    /// The base of the rotary frequencies and the object that says how they are scaled. Transformers 5 keeps both in
    /// <c>rope_parameters</c>, earlier ones in <c>rope_theta</c> and <c>rope_scaling</c>; of a file that has several of them a
    /// <c>rope_scaling</c> that is not empty goes before <c>rope_parameters</c>, and the base inside before the one beside.
    /// </summary>
    public static (double Theta, JsonFields? Rope) ReadRope(JsonFields json)
    {
        const double DefaultTheta = 10000;
        JsonFields? scaling = json.ObjectOrNull("rope_scaling");
        JsonFields? rope = scaling is { IsEmpty: false } ? scaling : json.ObjectOrNull("rope_parameters");
        foreach ((string name, JsonElement value) in rope?.All() ?? [])
        {
            rope!.Value.ThrowIf(
                value.ValueKind == JsonValueKind.Object, name, "a rotation of its own for some layers is not supported, expected one for all");
        }

        double theta = rope is { } inner && inner.Has("rope_theta") ? inner.Positive("rope_theta") : json.PositiveOr("rope_theta", DefaultTheta);
        return (theta, rope);
    }

    public static void RequireFalse(JsonFields json, string name) => json.ThrowIf(json.BoolOr(name, false), name, "true is not supported");
}
