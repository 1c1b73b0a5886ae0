using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using LlasaNative.Weights;

namespace LlasaNative.Text;

/// <summary>Reads a Hugging Face tokenizer.json whose model is byte-level BPE; refuses what it would get wrong.</summary>
internal sealed class TokenizerJsonReader
{
    private readonly string _path;
    private readonly TokenTable _tokens = new();
    private readonly Dictionary<int, string> _literal = [];
    private byte[] _buffer = new byte[1024];

    private TokenizerJsonReader(string path)
    {
        _path = path;
    }

    public static TokenizerParts Read(ReadOnlyMemory<byte> json, string path)
    {
        if (json.Span.StartsWith(Encoding.UTF8.Preamble))
        {
            json = json[3..];
        }

        if (!Utf8.IsValid(json.Span))
        {
            throw new ModelFileException(path, null, "not valid UTF-8 text");
        }

        try
        {
            using JsonDocument document = PythonJson.Parse(json);
            return new TokenizerJsonReader(path).Read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new ModelFileException(path, null, $"not valid JSON: {e.Message}", e);
        }
        catch (InvalidOperationException e)
        {
            // What the element types allow is checked one by one; this is half of a surrogate pair in an escape.
            throw new ModelFileException(path, null, $"holds text that is not valid: {e.Message}", e);
        }
    }

    private TokenizerParts Read(JsonElement root)
    {
        Require(root, JsonValueKind.Object, "(top level)");
        JsonElement model = Get(root, "model", JsonValueKind.Object, string.Empty);
        TokenizerComponents components = new(_path);
        CheckModel(model);
        JsonElement vocabulary = Get(model, "vocab", JsonValueKind.Object, "model.");
        ReadVocabulary(vocabulary);
        JsonElement merges = Get(model, "merges", JsonValueKind.Array, "model.");
        BpeMerger merger = new(_tokens, merges.GetArrayLength());
        if (merger.LacksBytes && model.TryGetProperty("unk_token", out JsonElement unknown) && unknown.ValueKind == JsonValueKind.String)
        {
            throw Error("model.unk_token", "is not supported when the vocabulary lacks single bytes");
        }

        ReadMerges(merges, merger);
        List<AddedToken> added = ReadAddedTokens(root);
        UnicodeForm? form = components.ReadNormalizer(Optional(root, "normalizer"));
        List<PreTokenizerStep> steps = components.ReadPreTokenizer(Optional(root, "pre_tokenizer"));
        components.CheckDecoder(Optional(root, "decoder"));
        (List<int> prefix, List<int> suffix) = components.ReadPostProcessor(Optional(root, "post_processor"));
        bool ignoreMerges = model.TryGetProperty("ignore_merges", out JsonElement ignore) && ignore.ValueKind == JsonValueKind.True;
        return new TokenizerParts(_path, _tokens, merger, ignoreMerges, _literal, added, steps, form, prefix, suffix);
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

        if (Optional(model, "byte_fallback") is { ValueKind: JsonValueKind.True })
        {
            throw Error("model.byte_fallback", "true is not supported");
        }
    }

    private void ReadVocabulary(JsonElement vocabulary)
    {
        foreach (JsonProperty property in vocabulary.EnumerateObject())
        {
            ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8PropertyName(property);
            if (raw.Contains((byte)'\\'))
            {
                raw = Encoding.UTF8.GetBytes(property.Name);
            }

            int id = ReadId(property.Value, "model.vocab");
            if (_tokens.Contains(id))
            {
                throw Error($"model.vocab.{property.Name}", $"id {id} is used twice");
            }

            Span<byte> bytes = Buffer(raw.Length);
            if (ByteAlphabet.TryToBytes(raw, bytes, out int count))
            {
                if (count > 0 && _tokens.Find(bytes[..count]) >= 0)
                {
                    throw Error($"model.vocab.{property.Name}", "appears twice");
                }

                _tokens.Add(id, bytes[..count], findable: true);
            }
            else
            {
                // Never the result of encoding; decodes to its own text, as in the reference.
                _tokens.Add(id, raw, findable: false);
                _literal[id] = Encoding.UTF8.GetString(raw);
            }
        }
    }

    private void ReadMerges(JsonElement merges, BpeMerger merger)
    {
        int rank = 0;
        byte[] both = new byte[256];
        foreach (JsonElement merge in merges.EnumerateArray())
        {
            int left;
            int right;
            if (merge.ValueKind == JsonValueKind.String)
            {
                ReadOnlySpan<byte> raw = RawText(merge);
                int space = raw.IndexOf((byte)' ');
                if (space < 0 || raw[(space + 1)..].Contains((byte)' '))
                {
                    throw Error($"model.merges[{rank}]", $"{Short(merge)} is not two tokens with one space between");
                }

                left = Find(raw[..space], rank);
                right = Find(raw[(space + 1)..], rank);
            }
            else if (merge.ValueKind == JsonValueKind.Array && merge.GetArrayLength() == 2
                && merge[0].ValueKind == JsonValueKind.String && merge[1].ValueKind == JsonValueKind.String)
            {
                left = Find(RawText(merge[0]), rank);
                right = Find(RawText(merge[1]), rank);
            }
            else
            {
                throw Error($"model.merges[{rank}]", $"{Short(merge)} is neither \"a b\" nor [\"a\",\"b\"]");
            }

            ReadOnlySpan<byte> a = _tokens.Bytes(left);
            ReadOnlySpan<byte> b = _tokens.Bytes(right);
            if (both.Length < a.Length + b.Length)
            {
                both = new byte[2 * (a.Length + b.Length)];
            }

            a.CopyTo(both);
            b.CopyTo(both.AsSpan(a.Length));
            int merged = _tokens.Find(both.AsSpan(0, a.Length + b.Length));
            if (merged < 0)
            {
                throw Error($"model.merges[{rank}]", $"the result of {Short(merge)} is not in the vocabulary");
            }

            merger.Add(left, right, rank++, merged);
        }
    }

    private int Find(ReadOnlySpan<byte> raw, int rank)
    {
        Span<byte> bytes = Buffer(raw.Length);
        int id = ByteAlphabet.TryToBytes(raw, bytes, out int count) ? _tokens.Find(bytes[..count]) : -1;
        return id >= 0 ? id : throw Error($"model.merges[{rank}]", $"`{Encoding.UTF8.GetString(raw)}` is not in the vocabulary");
    }

    private List<AddedToken> ReadAddedTokens(JsonElement root)
    {
        List<AddedToken> added = [];
        if (Optional(root, "added_tokens") is not { } list)
        {
            return added;
        }

        Require(list, JsonValueKind.Array, "added_tokens");
        Dictionary<int, string> seen = [];
        foreach (JsonElement item in list.EnumerateArray())
        {
            string field = $"added_tokens[{added.Count}]";
            Require(item, JsonValueKind.Object, field);
            int id = ReadId(Get(item, "id", JsonValueKind.Number, field + "."), field + ".id");
            string content = Get(item, "content", JsonValueKind.String, field + ".").GetString()!;
            if (content.Length == 0 || !seen.TryAdd(id, content))
            {
                throw Error(field, content.Length == 0 ? "has no content" : $"id {id} is used twice");
            }

            bool special = Flag(item, "special", false);
            added.Add(new AddedToken(
                id, content, special, Flag(item, "single_word", false), Flag(item, "lstrip", false), Flag(item, "rstrip", false),
                Flag(item, "normalized", !special)));
            byte[] utf8 = Encoding.UTF8.GetBytes(content);
            Span<byte> bytes = Buffer(utf8.Length);
            bool inAlphabet = ByteAlphabet.TryToBytes(utf8, bytes, out int count);
            ReadOnlySpan<byte> decoded = inAlphabet ? bytes[..count] : utf8;
            if (_tokens.Contains(id) && !_tokens.Bytes(id).SequenceEqual(decoded))
            {
                throw Error(field + ".id", $"{id} is another token in the vocabulary");
            }

            if (!_tokens.Contains(id))
            {
                _tokens.Add(id, decoded, findable: false);
            }

            _literal[id] = content;
        }

        return added;
    }

    private int ReadId(JsonElement value, string field) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) && id is >= 0 and < TokenTable.MaxId
            ? id
            : throw Error(field, $"{Short(value)} is not a token id from 0 to {TokenTable.MaxId - 1}");

    private bool Flag(JsonElement item, string name, bool fallback) => Optional(item, name) switch
    {
        null => fallback,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } other => throw Error(name, $"{Short(other)} is neither true nor false"),
    };

    private static JsonElement? Optional(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private JsonElement Get(JsonElement parent, string name, JsonValueKind kind, string prefix)
    {
        JsonElement value = Optional(parent, name) ?? throw Error(prefix + name, "missing");
        Require(value, kind, prefix + name);
        return value;
    }

    private void Require(JsonElement value, JsonValueKind kind, string field)
    {
        if (value.ValueKind != kind)
        {
            throw Error(field, $"expected {kind}, found {value.ValueKind}");
        }
    }

    private static ReadOnlySpan<byte> RawText(JsonElement text)
    {
        ReadOnlySpan<byte> raw = JsonMarshal.GetRawUtf8Value(text)[1..^1];
        return raw.Contains((byte)'\\') ? Encoding.UTF8.GetBytes(text.GetString()!) : raw;
    }

    private Span<byte> Buffer(int length)
    {
        if (_buffer.Length < length)
        {
            _buffer = new byte[2 * length];
        }

        return _buffer;
    }

    private static string Short(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length > 60 ? text[..60] + "…" : text;
    }

    private ModelFileException Error(string field, string message) => new(_path, field, message);
}
