namespace LlasaNative.Weights;

/// <summary>
/// Refuses a model whose <c>preprocessor_config.json</c> asks for other features of a sound than are made here: numbers would
/// come out all the same, of a model that hears what it was not trained on.
/// </summary>
/// <remarks>Fields that are not there have the feature extractor's defaults, which are those of the public models. Fields that the
/// extractors compute anew (<c>n_samples</c>, <c>mel_filters</c>, …) count for nothing, as in Transformers.</remarks>
internal static class FeatureExtractorChecks
{
    private const int WhisperRate = 16000;

    /// <summary>Checks what a recogniser hears.</summary>
    public static void Require(string directory, WhisperConfig config)
    {
        if (Find(directory) is not { } json)
        {
            return;
        }

        Require(json, "sampling_rate", WhisperRate);
        Require(json, "n_fft", 400);
        Require(json, "hop_length", 160);
        Require(json, "feature_size", config.MelBins, ", the `num_mel_bins` of config.json");
        Require(json, "chunk_length", (double)config.WindowSamples / WhisperRate, " seconds, the `max_source_positions` of config.json");
        Require(json, "padding_value", 0);
        Require(json, "dither", 0);
    }

    /// <summary>Checks the frames of a codec.</summary>
    public static void Require(string directory, Xcodec2Config config)
    {
        if (Find(directory) is { } json)
        {
            Require(json, "sampling_rate", config.SampleRate, ", the `sampling_rate` of the model");
            Require(json, "hop_length", config.HopLength, ", the samples of one code of the model");
        }
    }

    /// <summary>Checks what a codec's encoder hears.</summary>
    public static void RequireEncoder(string directory)
    {
        if (Find(directory) is { } json)
        {
            Require(json, "n_fft", 512);
            Require(json, "window_length", 400);
            Require(json, "spec_hop_length", 160);
            Require(json, "num_mel_bins", 80);
            Require(json, "stride", 2);
            Require(json, "n_channels", 1);
            Require(json, "pre_padding_value", 0);
        }
    }

    // Transformers 5 keeps the feature extractor's part in the processor's file, and that goes first.
    private static JsonFields? Find(string directory)
    {
        JsonFields processor = JsonFields.FromFileOrEmpty(Path.Combine(directory, "processor_config.json"));
        return processor.ObjectOrNull("feature_extractor") ?? processor.ObjectOrNull("audio_processor")
            ?? (Path.Combine(directory, "preprocessor_config.json") is var own && File.Exists(own) ? JsonFields.FromFile(own) : null);
    }

    private static void Require(JsonFields json, string name, double expected, string why = "")
    {
        if (json.TryGet(name, out JsonElement value) && !(value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number == expected))
        {
            throw json.Error(name, string.Create(CultureInfo.InvariantCulture, $"{value.GetRawText()} is not supported, expected {expected}{why}"));
        }
    }
}
