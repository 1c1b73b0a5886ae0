namespace LlasaNative.Weights;

/// <summary>What a directory with a LoRA adapter says of it, as PEFT writes it.</summary>
/// <param name="Base">Where the policy is that it belongs to; empty when unsaid.</param>
/// <param name="Rank">Rank of its matrices.</param>
/// <param name="Alpha">Its product is scaled by this over the rank.</param>
/// <param name="Dropout">Share of inputs left out in training.</param>
/// <param name="Targets">The projections it stands beside.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record AdapterInfo(string Base, int Rank, double Alpha, double Dropout, IReadOnlyList<string> Targets)
{
    /// <summary>Name of the description.</summary>
    public const string ConfigFile = "adapter_config.json";

    /// <summary>Name of the weights.</summary>
    public const string WeightsFile = "adapter_model.safetensors";

    /// <summary>Whether a directory holds an adapter and not a whole model.</summary>
    /// <param name="directory">Any path.</param>
    public static bool IsIn(string directory) =>
        File.Exists(Path.Combine(directory, ConfigFile)) && !File.Exists(Path.Combine(directory, "config.json"));

    /// <summary>Reads the description.</summary>
    /// <param name="directory">A directory with <see cref="ConfigFile"/>.</param>
    /// <exception cref="ModelFileException">It is missing, malformed or of another kind of adapter; the message names the field.</exception>
    public static AdapterInfo FromDirectory(string directory)
    {
        var fields = JsonFields.FromFile(Path.Combine(directory, ConfigFile));
        var kind = fields.String("peft_type");
        return kind == "LORA"
            ? new AdapterInfo(
                fields.StringOr("base_model_name_or_path", ""), fields.Int("r", 1, 1 << 16), fields.Positive("lora_alpha"), ReadDropout(fields), ReadTargets(fields))
            : throw new ModelFileException(fields.Path, "peft_type", $"`{kind}`, expected `LORA`");
    }

    private static double ReadDropout(JsonFields fields) =>
        !fields.TryGet("lora_dropout", out var value) ? 0
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var share) && share is >= 0 and < 1 ? share
        : throw new ModelFileException(fields.Path, "lora_dropout", $"{value.GetRawText()}, expected a number of at least 0 and below 1");

    private static string[] ReadTargets(JsonFields fields)
    {
        if (!fields.TryGet("target_modules", out var value))
        {
            return [];
        }

        // PEFT allows one pattern in place of the list.
        return value.ValueKind switch
        {
            JsonValueKind.String => [value.GetString()!],
            JsonValueKind.Array when value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String) => [.. value.EnumerateArray().Select(v => v.GetString()!)],
            _ => throw new ModelFileException(fields.Path, "target_modules", "expected a list of names"),
        };
    }
}
