namespace LlasaNative.Weights;

/// <summary>What a Whisper <c>generation_config.json</c> says about special tokens; every part may be absent.</summary>
/// <param name="IsMultilingual">Whether the model takes languages and tasks; null when not said.</param>
/// <param name="LanguageIds">Language tokens, <c>&lt;|en|&gt;</c> to id; empty when not listed.</param>
/// <param name="TaskIds">Task names (<c>transcribe</c>, <c>translate</c>) to id; empty when not listed.</param>
/// <param name="SuppressTokens">Tokens that are never produced.</param>
/// <param name="BeginSuppressTokens">Tokens that are never produced first.</param>
/// <param name="NoTimestampsTokenId">The token that switches timestamps off; null when not named.</param>
/// <param name="DecoderStartTokenId">First token given to the decoder; null when not named.</param>
/// <param name="EosTokenIds">Tokens that end a transcript; empty when not named.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record WhisperGenerationConfig(
    bool? IsMultilingual, IReadOnlyDictionary<string, int> LanguageIds, IReadOnlyDictionary<string, int> TaskIds,
    ImmutableArray<int> SuppressTokens, ImmutableArray<int> BeginSuppressTokens, int? NoTimestampsTokenId,
    int? DecoderStartTokenId, ImmutableArray<int> EosTokenIds)
{
    /// <summary>A config that says nothing.</summary>
    public static WhisperGenerationConfig Empty { get; } = new(
        null, ImmutableDictionary<string, int>.Empty, ImmutableDictionary<string, int>.Empty, [], [], null, null, []);

    /// <summary>Reads what a model's directory says: its <c>generation_config.json</c>, or, as in Transformers, where there is none the same fields of <c>config.json</c>.</summary>
    /// <param name="directory">Directory of the model.</param>
    /// <exception cref="ModelFileException">As <see cref="FromFile"/>.</exception>
    public static WhisperGenerationConfig FromDirectory(string directory)
    {
        string own = Path.Combine(directory, "generation_config.json");
        string path = File.Exists(own) ? own : Path.Combine(directory, "config.json");
        WarnOfSearch(path, JsonFields.FromFileOrEmpty(Path.Combine(directory, "config.json")).IntOr("max_target_positions", 448, 1, int.MaxValue));
        return FromFile(path);
    }

    // Each with the number at which it asks for nothing.
    private static readonly (string Name, double Usual)[] _searches =
    [
        ("num_beams", 1), ("repetition_penalty", 1), ("no_repeat_ngram_size", 0), ("do_sample", 0), ("encoder_repetition_penalty", 1), ("encoder_no_repeat_ngram_size", 0),
        ("min_length", 0), ("min_new_tokens", 0), ("bad_words_ids", 0), ("force_words_ids", 0), ("sequence_bias", 0), ("exponential_decay_length_penalty", 0), ("forced_eos_token_id", 0),
        ("penalty_alpha", 0), ("guidance_scale", 1), ("num_beam_groups", 1),
    ];

    private static readonly string[] _lengths = ["max_length", "max_new_tokens"];

    private static bool Asks(JsonElement value, double usual) => value.ValueKind switch
    {
        JsonValueKind.Number => value.TryGetDouble(out double number) && number != usual,
        JsonValueKind.True => true,
        JsonValueKind.Array => value.GetArrayLength() > 0,
        JsonValueKind.Object => value.EnumerateObject().Any(),
        _ => false,
    };

    // What a generation config asks for beside the most probable token each time; transcripts here are greedy.
    private static void WarnOfSearch(string path, int room)
    {
        JsonFields json = JsonFields.FromFileOrEmpty(path);
        string[] asked = [.. _searches.Where(field => json.TryGet(field.Name, out JsonElement value) && Asks(value, field.Usual)).Select(field => $"`{field.Name}`"),
            .. _lengths.Where(name => json.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long length) && length < room).Select(name => $"`{name}`")];
        if (asked.Length > 0)
        {
            LlasaEventSource.Log.Warned($"{path}: {string.Join(", ", asked)}: passed over, transcripts are greedy here and as long as the model allows; Transformers' may differ");
        }
    }

    /// <summary>Reads a generation config.</summary>
    /// <param name="path">Path of a <c>generation_config.json</c>, or of a <c>config.json</c> with such fields; a missing file says nothing.</param>
    /// <exception cref="ModelFileException">The file is malformed; the message names the field.</exception>
    public static WhisperGenerationConfig FromFile(string path)
    {
        JsonFields json = JsonFields.FromFileOrEmpty(path);
        return new WhisperGenerationConfig(
            IsMultilingual: json.Has("is_multilingual") ? json.BoolOr("is_multilingual", true) : null,
            LanguageIds: json.IntMap("lang_to_id"),
            TaskIds: json.IntMap("task_to_id"),
            SuppressTokens: [.. json.Ints("suppress_tokens", -1, int.MaxValue).Where(id => id >= 0)],
            BeginSuppressTokens: [.. json.Ints("begin_suppress_tokens", -1, int.MaxValue).Where(id => id >= 0)],
            NoTimestampsTokenId: json.IntOrNull("no_timestamps_token_id", 0, int.MaxValue),
            DecoderStartTokenId: json.IntOrNull("decoder_start_token_id", 0, int.MaxValue),
            EosTokenIds: [.. json.Ints("eos_token_id", 0, int.MaxValue)]);
    }
}
