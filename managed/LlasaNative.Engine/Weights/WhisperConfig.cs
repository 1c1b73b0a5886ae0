namespace LlasaNative.Weights;

/// <summary>Sizes of a Whisper model from a Hugging Face <c>config.json</c>.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record WhisperConfig
{
    private const int MaxExtent = 1 << 20;

    /// <summary>Width of encoder and decoder.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of encoder layers.</summary>
    public required int EncoderLayers { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int DecoderLayers { get; init; }

    /// <summary>Attention heads of the encoder.</summary>
    public required int EncoderHeads { get; init; }

    /// <summary>Attention heads of the decoder.</summary>
    public required int DecoderHeads { get; init; }

    /// <summary>Feed-forward width of the encoder.</summary>
    public required int EncoderIntermediateSize { get; init; }

    /// <summary>Feed-forward width of the decoder.</summary>
    public required int DecoderIntermediateSize { get; init; }

    /// <summary>Number of token ids.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Mel bins per frame: 80 or 128 in the public models.</summary>
    public required int MelBins { get; init; }

    /// <summary>Encoder positions of one window; two mel frames each.</summary>
    public required int MaxSourcePositions { get; init; }

    /// <summary>Decoder positions.</summary>
    public required int MaxTargetPositions { get; init; }

    /// <summary>First token given to the decoder; null when not named.</summary>
    public int? DecoderStartTokenId { get; init; }

    /// <summary>Tokens that end a transcript; empty when not named.</summary>
    public ImmutableArray<int> EosTokenIds { get; init; } = [];

    /// <summary>Samples of one window at 16 kHz: 320 per encoder position.</summary>
    public int WindowSamples => MaxSourcePositions * 320;

    /// <summary>Reads the config of an opened checkpoint, and that its features are those made here.</summary>
    /// <param name="directory">An opened directory.</param>
    /// <exception cref="ModelFileException">As <see cref="FromFile"/>, or its <c>preprocessor_config.json</c> asks for other features of a sound.</exception>
    public static WhisperConfig FromDirectory(HuggingFaceDirectory directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        WhisperConfig config = FromFile(directory.ConfigPath);
        FeatureExtractorChecks.Require(directory.Path, config);
        return config;
    }

    /// <summary>Reads a config file.</summary>
    /// <param name="path">Path of a <c>config.json</c>.</param>
    /// <exception cref="ModelFileException">The file is missing or malformed, or the model is of a kind not supported; the message names the field.</exception>
    public static WhisperConfig FromFile(string path)
    {
        JsonFields json = JsonFields.FromFile(path);
        ConfigChecks.RequireModelType(json, "whisper", "WhisperForConditionalGeneration");
        ConfigChecks.RequireName(json, "activation_function", "gelu", "gelu_python");
        ConfigChecks.RequireFalse(json, "scale_embedding");
        json.ThrowIf(!json.BoolOr("tie_word_embeddings", true), "tie_word_embeddings", "false is not supported");
        // What Transformers maps another name to is set by that name after its own.
        int hidden = json.Int(json.Has("hidden_size") ? "hidden_size" : "d_model", 1, MaxExtent);
        int encoderHeads = json.Int(json.Has("num_attention_heads") ? "num_attention_heads" : "encoder_attention_heads", 1, 65536);
        int decoderHeads = json.Int("decoder_attention_heads", 1, 65536);
        json.ThrowIf(hidden % encoderHeads != 0 || hidden % decoderHeads != 0, "d_model",
            $"{hidden} is not a multiple of the numbers of heads {encoderHeads} and {decoderHeads}");
        return new WhisperConfig
        {
            HiddenSize = hidden,
            EncoderLayers = json.Int(json.Has("num_hidden_layers") ? "num_hidden_layers" : "encoder_layers", 1, 10_000),
            DecoderLayers = json.Int("decoder_layers", 1, 10_000),
            EncoderHeads = encoderHeads,
            DecoderHeads = decoderHeads,
            EncoderIntermediateSize = json.Int("encoder_ffn_dim", 1, MaxExtent),
            DecoderIntermediateSize = json.Int("decoder_ffn_dim", 1, MaxExtent),
            VocabularySize = json.Int("vocab_size", 1, 1 << 24),
            MelBins = json.IntOr("num_mel_bins", 80, 1, 4096),
            MaxSourcePositions = json.IntOr("max_source_positions", 1500, 1, 1_000_000),
            MaxTargetPositions = json.IntOr("max_target_positions", 448, 1, 1_000_000),
            DecoderStartTokenId = json.IntOrNull("decoder_start_token_id", 0, int.MaxValue),
            EosTokenIds = [.. json.Ints("eos_token_id", 0, int.MaxValue)],
        };
    }
}
