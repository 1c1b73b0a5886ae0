using System.Runtime.CompilerServices;

namespace LlasaNative.Text;

/// <summary>Reads a Hugging Face tokenizer.json whose model is byte-level BPE; refuses what it would get wrong.</summary>
internal sealed class TokenizerJsonReader(string path)
{
    private readonly TokenizerBuilder _builder = new();

    /// <summary>Reads a file.</summary>
    /// <param name="json">Its content.</param>
    /// <param name="path">Its name, for messages.</param>
    /// <param name="beside">Added tokens that other files name; those that this one lacks are added after its own.</param>
    /// <param name="prefixSpace">Whether another file has a space put before a text; null when none says so.</param>
    public static TokenizerParts Read(ReadOnlyMemory<byte> json, string path, IEnumerable<AddedToken>? beside = null, bool? prefixSpace = null) =>
        JsonFields.Document(json, path, root => new TokenizerJsonReader(path).Read(root, beside ?? [], prefixSpace));

    /// <summary>Reads <c>vocab.json</c>, which is the vocabulary of the model alone.</summary>
    /// <param name="path">Path of the file.</param>
    /// <returns>A builder that waits for merges.</returns>
    public static TokenizerBuilder ReadVocabulary(string path) => JsonFields.Document(FileErrors.ReadAllBytes(path), path, root =>
    {
        TokenizerJsonReader reader = new(path);
        reader.ReadVocabulary(root, string.Empty);
        return reader._builder;
    });

    private TokenizerParts Read(JsonElement root, IEnumerable<AddedToken> beside, bool? prefixSpace)
    {
        Require(root, JsonValueKind.Object, "(top level)");
        JsonElement model = Get(root, "model", JsonValueKind.Object, string.Empty);
        TokenizerComponents components = new(path);
        CheckModel(model);
        JsonElement vocabulary = Get(model, "vocab", JsonValueKind.Object, "model.");
        ReadVocabulary(vocabulary, "model.vocab.");
        JsonElement merges = Get(model, "merges", JsonValueKind.Array, "model.");
        bool complete = _builder.BeginMerges(merges.GetArrayLength());
        if (!complete && model.TryGetProperty("unk_token", out JsonElement unknown) && unknown.ValueKind == JsonValueKind.String)
        {
            throw Error("model.unk_token", "is not supported when the vocabulary lacks single bytes");
        }

        ReadMerges(merges);
        ReadAddedTokens(root);
        AddTokens(beside);
        UnicodeForm? form = components.ReadNormalizer(Optional(root, "normalizer"));
        List<PreTokenizerStep> steps = components.ReadPreTokenizer(Optional(root, "pre_tokenizer"));
        if (prefixSpace is { } space && steps.Count == 1 && root.GetProperty("pre_tokenizer").GetProperty("type").ValueEquals("ByteLevel"))
        {
            steps[0] = steps[0] with { AddPrefixSpace = space };
        }

        components.CheckDecoder(Optional(root, "decoder"));
        (List<int> prefix, List<int> suffix) = components.ReadPostProcessor(Optional(root, "post_processor"));
        bool ignoreMerges = model.TryGetProperty("ignore_merges", out JsonElement ignore) && ignore.ValueKind == JsonValueKind.True;
        return _builder.Build(path, ignoreMerges, steps, form, prefix, suffix);
    }

    private void CheckModel(JsonElement model)
    {
        if (model.TryGetProperty("type", out JsonElement type) && !(type.ValueKind == JsonValueKind.String && type.ValueEquals("BPE")))
        {
            throw Error("model.type", $"{Short(type)} is not supported, expected \"BPE\"");
        }

        foreach (string name in new[] { "continuing_subword_prefix", "end_of_word_suffix", "dropout" })
        {
            if (Optional(model, name) is { } value
                && !(value.ValueKind == JsonValueKind.String && value.GetString()!.Length == 0)
                && !(value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number == 0))
            {
                throw Error("model." + name, $"{Short(value)} is not supported");
            }
        }

        ThrowIf(Optional(model, "byte_fallback") is { ValueKind: JsonValueKind.True }, "model.byte_fallback", "true is not supported");
    }

    private void ReadVocabulary(JsonElement vocabulary, string prefix)
    {
        Require(vocabulary, JsonValueKind.Object, "(top level)");
        foreach (JsonProperty property in vocabulary.EnumerateObject())
        {
            ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8PropertyName(property);
            if (raw.Contains((byte)'\\'))
            {
                raw = Encoding.UTF8.GetBytes(property.Name);
            }

            string? reason = IsId(property.Value, out int id) ? _builder.AddEntry(raw, id) : NoId(property.Value);
            if (reason is not null)
            {
                throw Error(prefix + property.Name, reason);
            }
        }
    }

    private void ReadMerges(JsonElement merges)
    {
        int rank = 0;
        foreach (JsonElement merge in merges.EnumerateArray())
        {
            string? reason;
            if (merge.ValueKind == JsonValueKind.String)
            {
                ReadOnlySpan<byte> raw = RawText(merge);
                int space = raw.IndexOf((byte)' ');
                reason = space < 0 || raw[(space + 1)..].Contains((byte)' ')
                    ? $"{Short(merge)} is not two tokens with one space between"
                    : _builder.AddMerge(raw[..space], raw[(space + 1)..]);
            }
            else
            {
                reason = merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2
                    && merge[0].ValueKind == JsonValueKind.String && merge[1].ValueKind == JsonValueKind.String
                    ? _builder.AddMerge(RawText(merge[0]), RawText(merge[1]))
                    : $"{Short(merge)} is neither \"a b\" nor [\"a\",\"b\"]";
            }

            if (reason is not null)
            {
                throw Error($"model.merges[{rank}]", reason);
            }

            rank++;
        }
    }

    private void ReadAddedTokens(JsonElement root)
    {
        if (Optional(root, "added_tokens") is not { } list)
        {
            return;
        }

        Require(list, JsonValueKind.Array, "added_tokens");
        foreach (JsonElement item in list.EnumerateArray())
        {
            string field = $"added_tokens[{_builder.Added.Count}]";
            Require(item, JsonValueKind.Object, field);
            int id = ReadId(Get(item, "id", JsonValueKind.Number, field + "."), field + ".id");
            AddedToken token = ReadAddedToken(item, id, path, field);
            int next = _builder.NextId(token.Content);
            if (_builder.Add(token) is { } reason)
            {
                throw Error(field, reason);
            }

            if (id != next)
            {
                // The library goes by its own number, and so did whoever trained with it.
                throw Error(field + ".id", $"{id} for `{token.Content}`, where the tokenizers library counts {next}: ids of added tokens go on from the vocabulary's without a gap; "
                    + "saved anew from Transformers (AutoTokenizer), the file holds the ids in use");
            }
        }
    }

    private void AddTokens(IEnumerable<AddedToken> tokens)
    {
        HashSet<string> known = [.. _builder.Added.Select(token => token.Content)];
        foreach (AddedToken token in tokens.Where(token => token.Content.Length > 0 && known.Add(token.Content)))
        {
            // The library goes by its own number, and so did whoever trained with it.
            int id = _builder.NextId(token.Content);
            if (token.Id >= 0 && id != token.Id)
            {
                LlasaEventSource.Log.Warned(string.Create(CultureInfo.InvariantCulture,
                    $"{path}: the files beside it add `{token.Content}` as {token.Id}, where the tokenizers library counts {id}; that is its id here, too"));
            }

            if (_builder.Add(token with { Id = id }) is { } reason)
            {
                throw Error(token.Content, reason);
            }
        }
    }

    /// <summary>A token as Transformers and its tokenizers write it; what is not said has their default.</summary>
    public static AddedToken ReadAddedToken(JsonElement item, int id, string path, string field)
    {
        TokenizerJsonReader reader = new(path);
        reader.Require(item, JsonValueKind.Object, field);
        string content = JsonFields.TextOf(reader.Get(item, "content", JsonValueKind.String, field + "."), path, field + ".content");
        bool special = Flag("special", false);
        return new AddedToken(
            id, content, special, Flag("single_word", false), Flag("lstrip", false), Flag("rstrip", false), Flag("normalized", !special));

        bool Flag(string name, bool fallback) => Optional(item, name) switch
        {
            null => fallback,
            { ValueKind: JsonValueKind.True } => true,
            { ValueKind: JsonValueKind.False } => false,
            { } other => throw reader.Error($"{field}.{name}", $"{Short(other)} is neither true nor false"),
        };
    }

    private int ReadId(JsonElement value, string field) => IsId(value, out int id) ? id : throw Error(field, NoId(value));

    internal static bool IsId(JsonElement value, out int id)
    {
        id = -1;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out id) && id is >= 0 and < TokenTable.MaxId;
    }

    private static string NoId(JsonElement value) => $"{Short(value)} is not a token id from 0 to {TokenTable.MaxId - 1}";

    private static JsonElement? Optional(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private JsonElement Get(JsonElement parent, string name, JsonValueKind kind, string prefix)
    {
        JsonElement value = Optional(parent, name) ?? throw Error(prefix + name, "missing");
        Require(value, kind, prefix + name);
        return value;
    }

    private void Require(JsonElement value, JsonValueKind kind, string field) =>
        ThrowIf(value.ValueKind != kind, field, $"expected {kind}, found {value.ValueKind}");

    private static ReadOnlySpan<byte> RawText(JsonElement text)
    {
        ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(text)[1..^1];
        return raw.Contains((byte)'\\') ? Encoding.UTF8.GetBytes(text.GetString()!) : raw;
    }

    private static string Short(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length > 60 ? text[..60] + "…" : text;
    }

    private void ThrowIf(bool isFault, string field, [InterpolatedStringHandlerArgument(nameof(isFault))] FaultText message) =>
        ModelFileException.ThrowIf(isFault, path, field, message);

    private ModelFileException Error(string field, string message) => new(path, field, message);
}
