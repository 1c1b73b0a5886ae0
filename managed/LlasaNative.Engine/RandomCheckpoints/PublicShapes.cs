using System.Text.Json.Nodes;

namespace LlasaNative.RandomCheckpoints;

/// <summary>Configs of public models, by name: the sizes of their <c>config.json</c>.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class PublicShapes
{
    private const int LlamaVocabulary = 128_256;

    // Llama's, its eight markers of text and speech, and X-Codec2's codes.
    private const int LlasaVocabulary = LlamaVocabulary + 8 + 65_536;

    private static readonly Dictionary<string, (ModelKind Kind, Func<JsonObject> Config)> All = new(StringComparer.Ordinal)
    {
        ["llasa-1b"] = (ModelKind.Policy, () => Llama1B(LlasaVocabulary)),
        ["llasa-3b"] = (ModelKind.Policy, () => Llama3B(LlasaVocabulary)),
        ["llasa-8b"] = (ModelKind.Policy, () => Llama8B(LlasaVocabulary)),
        ["llama-3.2-1b"] = (ModelKind.Policy, () => Llama1B(LlamaVocabulary)),
        ["llama-3.2-3b"] = (ModelKind.Policy, () => Llama3B(LlamaVocabulary)),
        ["llama-3.1-8b"] = (ModelKind.Policy, () => Llama8B(LlamaVocabulary)),
        ["xcodec2"] = (ModelKind.Codec, Xcodec2),
        ["whisper-base"] = (ModelKind.Recogniser, () => Whisper(512, 6, 6, 8)),
        ["whisper-tiny"] = (ModelKind.Recogniser, () => Whisper(384, 4, 4, 6)),
        ["whisper-small"] = (ModelKind.Recogniser, () => Whisper(768, 12, 12, 12)),
        ["whisper-medium"] = (ModelKind.Recogniser, () => Whisper(1024, 24, 24, 16)),
        ["whisper-large-v2"] = (ModelKind.Recogniser, () => Whisper(1280, 32, 32, 20)),
        ["whisper-large-v3"] = (ModelKind.Recogniser, () => Whisper(1280, 32, 32, 20, melBins: 128, vocabulary: 51_866)),
        ["whisper-large-v3-turbo"] = (ModelKind.Recogniser, () => Whisper(1280, 32, 4, 20, melBins: 128, vocabulary: 51_866)),
    };

    /// <summary>Names of a kind, the usual one first.</summary>
    /// <param name="kind">Which model.</param>
    public static IReadOnlyList<string> Names(ModelKind kind) => [.. All.Where(p => p.Value.Kind == kind).Select(p => p.Key)];

    /// <summary>The config of a public model.</summary>
    /// <param name="kind">Which model.</param>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <returns>A new object, as in <c>config.json</c> but for the element type.</returns>
    /// <exception cref="UsageException">There is no model of that kind and name.</exception>
    public static JsonObject Config(ModelKind kind, string name) => All.TryGetValue(name, out var found) && found.Kind == kind
        ? found.Config()
        : throw new UsageException($"`{name}` is not one of {string.Join(", ", Names(kind))}, and not a file");

    private static JsonObject Llama1B(int vocabulary) => Llama(vocabulary, 2048, 16, 32, 64, 8192, tied: true, ropeFactor: 32);

    private static JsonObject Llama3B(int vocabulary) => Llama(vocabulary, 3072, 28, 24, 128, 8192, tied: true, ropeFactor: 32);

    private static JsonObject Llama8B(int vocabulary) => Llama(vocabulary, 4096, 32, 32, 128, 14336, tied: false, ropeFactor: 8);

    private static JsonObject Llama(int vocabulary, int hidden, int layers, int heads, int headDimension, int intermediate, bool tied, double ropeFactor) => Parse(
        FormattableString.Invariant($$"""
        {
          "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": {{vocabulary}}, "hidden_size": {{hidden}},
          "intermediate_size": {{intermediate}}, "num_hidden_layers": {{layers}}, "num_attention_heads": {{heads}}, "num_key_value_heads": 8,
          "head_dim": {{headDimension}}, "hidden_act": "silu", "attention_bias": false, "mlp_bias": false, "max_position_embeddings": 131072,
          "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
          "rope_scaling": {
            "rope_type": "llama3", "factor": {{ropeFactor}}, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192
          },
          "tie_word_embeddings": {{(tied ? "true" : "false")}}, "initializer_range": 0.02, "use_cache": true
        }
        """));

    private static JsonObject Whisper(int hidden, int encoderLayers, int decoderLayers, int heads, int melBins = 80, int vocabulary = 51_865)
    {
        WhisperTokens tokens = WhisperTokens.Standard(vocabulary);
        return Parse(FormattableString.Invariant($$"""
        {
          "architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper", "vocab_size": {{vocabulary}}, "num_mel_bins": {{melBins}},
          "d_model": {{hidden}}, "encoder_layers": {{encoderLayers}}, "encoder_attention_heads": {{heads}}, "encoder_ffn_dim": {{4 * hidden}},
          "decoder_layers": {{decoderLayers}}, "decoder_attention_heads": {{heads}}, "decoder_ffn_dim": {{4 * hidden}},
          "max_source_positions": 1500, "max_target_positions": 448, "activation_function": "gelu", "scale_embedding": false,
          "tie_word_embeddings": true, "is_encoder_decoder": true, "bos_token_id": {{tokens.EndOfText}}, "eos_token_id": {{tokens.EndOfText}},
          "pad_token_id": {{tokens.EndOfText}}, "decoder_start_token_id": {{tokens.StartOfTranscript}}, "init_std": 0.02, "use_cache": true
        }
        """));
    }

    private static JsonObject Xcodec2() => Parse("""
        {
          "architectures": ["Xcodec2Model"], "model_type": "xcodec2", "hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 16,
          "num_key_value_heads": 16, "head_dim": 64, "intermediate_size": 4096, "hidden_act": "silu", "max_position_embeddings": 4096,
          "rms_norm_eps": 1e-6, "attention_bias": false, "rope_parameters": { "rope_type": "default", "rope_theta": 10000.0 },
          "encoder_hidden_size": 48, "downsampling_ratios": [2, 2, 4, 4, 5], "sampling_rate": 16000, "quantization_dim": 2048,
          "quantization_levels": [4, 4, 4, 4, 4, 4, 4, 4], "initializer_range": 0.02,
          "semantic_model_config": {
            "model_type": "wav2vec2-bert", "hidden_size": 1024, "num_hidden_layers": 16, "num_attention_heads": 16, "intermediate_size": 4096,
            "feature_projection_input_dim": 160, "hidden_act": "swish", "conv_depthwise_kernel_size": 31, "position_embeddings_type": "relative_key",
            "add_adapter": false
          }
        }
        """);

    private static JsonObject Parse(string json) => (JsonObject)JsonNode.Parse(json)!;
}
