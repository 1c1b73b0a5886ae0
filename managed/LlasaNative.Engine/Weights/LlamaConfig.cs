namespace LlasaNative.Weights;

/// <summary>The part of a Hugging Face Llama <c>config.json</c> that decides what the model computes.</summary>
/// <param name="VocabularySize">Number of token ids.</param>
/// <param name="HiddenSize">Width of the residual stream, C.</param>
/// <param name="IntermediateSize">Width of the feed-forward layer, F.</param>
/// <param name="Layers">Number of layers, L.</param>
/// <param name="QueryHeads">Number of query heads, H.</param>
/// <param name="KeyValueHeads">Number of key/value heads; divides <see cref="QueryHeads"/>.</param>
/// <param name="HeadDimension">Width of one head, D; even; not necessarily C / H.</param>
/// <param name="MaxPositions">Longest sequence the model allows, in tokens.</param>
/// <param name="RmsNormEpsilon">Added to the mean square inside RMSNorm.</param>
/// <param name="TieWordEmbeddings">Whether the output head is the embedding matrix.</param>
/// <param name="RopeTheta">Base of the rotary frequencies.</param>
/// <param name="RopeScaling">Scaling of the rotary frequencies; null for none.</param>
/// <param name="BosTokenId">Token that starts a text; null when the config names none.</param>
/// <param name="EosTokenIds">Tokens that end a text; may be empty.</param>
/// <param name="PadTokenId">Filler token; null when the config names none.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record LlamaConfig(
    int VocabularySize, int HiddenSize, int IntermediateSize, int Layers, int QueryHeads, int KeyValueHeads, int HeadDimension,
    int MaxPositions, double RmsNormEpsilon, bool TieWordEmbeddings, double RopeTheta, LlamaRopeScaling? RopeScaling,
    int? BosTokenId, ImmutableArray<int> EosTokenIds, int? PadTokenId)
{
    private const int MaxExtent = 1 << 24;

    /// <summary>Reads a config file.</summary>
    /// <param name="path">Path of a <c>config.json</c>.</param>
    /// <exception cref="ModelFileException">The file is missing or malformed, or the model is of a kind not supported; the message names the field.</exception>
    public static LlamaConfig FromFile(string path) => Read(JsonFields.FromFile(path));

    /// <summary>Reads the config of an opened model; its weights decide whether the head is the embedding.</summary>
    /// <param name="directory">An opened directory.</param>
    /// <returns>The config as the weights allow it: a stored head that differs from the embedding is not tied, whatever <c>config.json</c> says.</returns>
    /// <exception cref="ModelFileException">As <see cref="FromFile"/>, or the model is not tied and stores no head.</exception>
    public static LlamaConfig FromDirectory(HuggingFaceDirectory directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        LlamaConfig config = FromFile(directory.ConfigPath);
        if (File.Exists(Path.Combine(directory.Path, AdapterInfo.ConfigFile)))
        {
            LlasaEventSource.Log.Warned($"{directory.Path}: beside the model lies an adapter ({AdapterInfo.ConfigFile}), which Transformers would apply; "
                + "it is passed over here: merge it into the model, or take its files away if that was done");
        }

        TiedHead head = TiedHead.Llama;
        if (!config.TieWordEmbeddings && !directory.Mentions(head.Head))
        {
            throw new ModelFileException(directory.Path, head.Head, "no such tensor, and `tie_word_embeddings` of config.json is false or missing; "
                + "set it to true if the head is to be the embedding, else the checkpoint is not complete");
        }

        if (!config.TieWordEmbeddings || !head.Differs(directory))
        {
            return config;
        }

        LlasaEventSource.Log.Warned($"{directory.ConfigPath}: `tie_word_embeddings` is true, but the weights hold a `{head.Head}` that differs from "
            + $"`{head.Embedding}`; the stored head is used and the two are not tied (false in config.json says so without this warning)");
        return config with { TieWordEmbeddings = false };
    }

    /// <summary>Reads a config from memory.</summary>
    /// <param name="json">UTF-8 JSON.</param>
    /// <param name="path">Name for error messages.</param>
    /// <exception cref="ModelFileException">As <see cref="FromFile"/>.</exception>
    public static LlamaConfig Parse(ReadOnlyMemory<byte> json, string path) => Read(JsonFields.Parse(json, path));

    private static LlamaConfig Read(JsonFields json)
    {
        ConfigChecks.RequireModelType(json, "llama", "LlamaForCausalLM");
        ConfigChecks.RequireName(json, "hidden_act", "silu", "swish");
        ConfigChecks.RequireFalse(json, "attention_bias");
        ConfigChecks.RequireFalse(json, "mlp_bias");
        int hidden = json.Int("hidden_size", 1, MaxExtent);
        int heads = json.Int("num_attention_heads", 1, 65536);
        int keyValueHeads = json.IntOr("num_key_value_heads", heads, 1, 65536);
        json.ThrowIf(heads % keyValueHeads != 0, "num_key_value_heads", $"{keyValueHeads} does not divide num_attention_heads {heads}");
        json.ThrowIf(
            !json.Has("head_dim") && hidden % heads != 0, "head_dim", $"missing, and hidden_size {hidden} is not a multiple of num_attention_heads {heads}");
        int headDimension = json.IntOr("head_dim", hidden / heads, 1, 65536);
        json.ThrowIf(headDimension % 2 != 0, "head_dim", $"{headDimension} is odd, rotary embeddings need an even number");
        int vocabulary = json.Int("vocab_size", 1, MaxExtent);
        int maxPositions = json.IntOr("max_position_embeddings", 2048, 1, int.MaxValue);
        (double theta, LlamaRopeScaling? scaling) = ReadRope(json, maxPositions);
        return new LlamaConfig(
            VocabularySize: vocabulary,
            HiddenSize: hidden,
            IntermediateSize: json.Int("intermediate_size", 1, MaxExtent),
            Layers: json.Int("num_hidden_layers", 1, 10_000),
            QueryHeads: heads,
            KeyValueHeads: keyValueHeads,
            HeadDimension: headDimension,
            MaxPositions: maxPositions,
            RmsNormEpsilon: json.PositiveOr("rms_norm_eps", 1e-6),
            TieWordEmbeddings: json.BoolOr("tie_word_embeddings", false),
            RopeTheta: theta,
            RopeScaling: scaling,
            BosTokenId: json.IntOrNull("bos_token_id", 0, int.MaxValue),
            EosTokenIds: [.. json.Ints("eos_token_id", 0, int.MaxValue)],
            PadTokenId: json.IntOrNull("pad_token_id", -1, int.MaxValue) is { } pad and >= 0 ? pad : null);
    }

    private static (double Theta, LlamaRopeScaling? Scaling) ReadRope(JsonFields json, int maxPositions)
    {
        (double theta, JsonFields? found) = ConfigChecks.ReadRope(json);
        if (found is not { } rope)
        {
            return (theta, null);
        }

        string key = rope.Has("rope_type") || !rope.Has("type") ? "rope_type" : "type";
        string type = rope.StringOr(key, "default");
        if (type != "default")
        {
            // Transformers makes that part of the frequencies and then cannot rotate a whole head with them; with `default` it passes the key over.
            foreach (JsonFields fields in new[] { rope, json })
            {
                if (fields.PositiveOr("partial_rotary_factor", 1) is not 1.0 and var part)
                {
                    throw fields.Error("partial_rotary_factor", $"{part.ToString(CultureInfo.InvariantCulture)} with `{type}` is not supported, which rotates whole heads: "
                        + "take the entry away if the model was trained so");
                }
            }
        }

        switch (type)
        {
            case "default":
                return (theta, null);
            case "llama3":
                LlamaRopeScaling scaling = new(
                    rope.Positive("factor"),
                    rope.Positive("low_freq_factor"),
                    rope.Positive("high_freq_factor"),
                    rope.IntOr("original_max_position_embeddings", maxPositions, 1, int.MaxValue));
                return scaling.HighFrequencyFactor > scaling.LowFrequencyFactor
                    ? (theta, scaling)
                    : throw rope.Error("high_freq_factor", "must be larger than low_freq_factor");
            case "linear":
                return (theta, LlamaRopeScaling.Linear(rope.Positive("factor")));
            case "dynamic" when rope.Positive("factor") > 0 && rope.IntOr("original_max_position_embeddings", maxPositions, 1, int.MaxValue) == maxPositions:
                return (theta, null);   // begins behind max_position_embeddings, where no sequence comes to here
            default:
                throw rope.Error(key, $"`{type}` is not supported, expected `default`, `linear`, `dynamic` up to max_position_embeddings, or `llama3`");
        }
    }
}
