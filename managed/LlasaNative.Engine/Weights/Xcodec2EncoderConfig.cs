namespace LlasaNative.Weights;

/// <summary>Sizes of an X-Codec2 encoder (waveform to speech codes): acoustic encoder and Wav2Vec2-BERT.</summary>
/// <param name="Ratios">Downsampling of each block of the acoustic encoder; their product is the hop.</param>
/// <param name="HiddenSize">Channels of the acoustic encoder's first convolution.</param>
/// <param name="SemanticHiddenSize">Width of the semantic model.</param>
/// <param name="SemanticLayers">Layers of the semantic model that are used.</param>
/// <param name="SemanticHeads">Its attention heads.</param>
/// <param name="SemanticIntermediateSize">Width of its feed-forward layers.</param>
/// <param name="FeatureDimension">Features per frame that it reads.</param>
/// <param name="ConvolutionKernel">Taps of its depthwise convolutions.</param>
/// <param name="LeftPositions">Relative positions to the left that it tells apart.</param>
/// <param name="RightPositions">Relative positions to the right that it tells apart.</param>
/// <param name="LayerNormEpsilon">Added to the variance inside its LayerNorms.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record Xcodec2EncoderConfig(
    ImmutableArray<int> Ratios, int HiddenSize, int SemanticHiddenSize, int SemanticLayers, int SemanticHeads,
    int SemanticIntermediateSize, int FeatureDimension, int ConvolutionKernel, int LeftPositions, int RightPositions,
    double LayerNormEpsilon)
{
    private const int MaxExtent = 1 << 20;

    /// <summary>Reads the config of an opened checkpoint in Transformers' layout.</summary>
    /// <param name="directory">An opened directory.</param>
    /// <exception cref="ModelFileException">The config is malformed, or in the original layout, whose config has no sizes, or <c>preprocessor_config.json</c> asks for other features; the message names the field.</exception>
    public static Xcodec2EncoderConfig FromDirectory(HuggingFaceDirectory directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        FeatureExtractorChecks.RequireEncoder(directory.Path);
        return FromFile(directory.ConfigPath);
    }

    /// <summary>Reads a <c>config.json</c> in Transformers' layout.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ModelFileException">As <see cref="FromDirectory"/>.</exception>
    public static Xcodec2EncoderConfig FromFile(string path)
    {
        var json = JsonFields.FromFile(path);
        var semantic = json.ObjectOrNull("semantic_model_config")
            ?? throw json.Error("semantic_model_config", "missing: encoding needs a checkpoint in Transformers' layout");
        ConfigChecks.RequireName(semantic, "position_embeddings_type", "relative_key");
        ConfigChecks.RequireFalse(semantic, "add_adapter");
        int hidden = semantic.IntOr("hidden_size", 1024, 1, MaxExtent);
        return new Xcodec2EncoderConfig(
            Ratios: ReadRatios(json),
            HiddenSize: json.IntOr("encoder_hidden_size", 48, 1, MaxExtent),
            SemanticHiddenSize: hidden,
            SemanticLayers: semantic.IntOr("num_hidden_layers", 16, 1, 10_000),
            SemanticHeads: semantic.IntOr("num_attention_heads", 16, 1, 65536),
            SemanticIntermediateSize: semantic.IntOr("intermediate_size", 4 * hidden, 1, MaxExtent),
            FeatureDimension: semantic.IntOr("feature_projection_input_dim", 160, 1, MaxExtent),
            ConvolutionKernel: semantic.IntOr("conv_depthwise_kernel_size", 31, 1, MaxExtent),
            LeftPositions: semantic.IntOr("left_max_position_embeddings", 64, 0, MaxExtent),
            RightPositions: semantic.IntOr("right_max_position_embeddings", 8, 0, MaxExtent),
            LayerNormEpsilon: semantic.PositiveOr("layer_norm_eps", 1e-5));
    }

    /// <summary>As many as the native options hold.</summary>
    private static ImmutableArray<int> ReadRatios(JsonFields json)
    {
        ImmutableArray<int> ratios = json.Has("downsampling_ratios") ? [.. json.Ints("downsampling_ratios", 1, 4096)] : [2, 2, 4, 4, 5];
        return ratios.Length is > 0 and <= 16 ? ratios : throw json.Error("downsampling_ratios", $"{ratios.Length} ratios, expected 1 to 16");
    }
}
