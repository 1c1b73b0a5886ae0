using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LlasaNative.Text;

/// <summary>Reads what surrounds the model in a tokenizer.json: normalizer, pre-tokenizer, post-processor, decoder.</summary>
internal sealed class TokenizerComponents(string path)
{
    /// <summary>A normalisation form; null for none.</summary>
    public UnicodeForm? ReadNormalizer(JsonElement? element)
    {
        string[] types = [.. Flatten(element, "normalizer", "normalizers").Select(part => TypeOf(part, "normalizer"))];
        return types switch
        {
            [] => null,
            ["NFC"] => UnicodeForm.Nfc,
            ["NFD"] => UnicodeForm.Nfd,
            ["NFKC"] => UnicodeForm.Nfkc,
            ["NFKD"] => UnicodeForm.Nfkd,
            _ => throw Error("normalizer", "only a single NFC, NFD, NFKC or NFKD is supported"),
        };
    }

    public List<PreTokenizerStep> ReadPreTokenizer(JsonElement? element)
    {
        List<PreTokenizerStep> steps = [];
        bool byteLevel = false;
        foreach (JsonElement part in Flatten(element, "pre_tokenizer", "pretokenizers"))
        {
            string type = TypeOf(part, "pre_tokenizer");
            switch (type)
            {
                case "ByteLevel":
                    byteLevel = true;
                    bool split = Flag(part, "use_regex", true);
                    steps.Add(new PreTokenizerStep(Flag(part, "add_prefix_space", true), split ? new Gpt2Scanner() : null));
                    break;
                case "Split" when !byteLevel:
                    steps.Add(new PreTokenizerStep(false, ReadSplit(part)));
                    break;
                default:
                    throw Error("pre_tokenizer", $"`{type}` is not supported here, expected Split and ByteLevel");
            }
        }

        return byteLevel ? steps : throw Error("pre_tokenizer", "needs a ByteLevel part");
    }

    /// <summary>Ids put before and after a text by a template.</summary>
    public (List<int> Prefix, List<int> Suffix) ReadPostProcessor(JsonElement? element)
    {
        List<int> prefix = [];
        List<int> suffix = [];
        foreach (JsonElement part in Flatten(element, "post_processor", "processors"))
        {
            string type = TypeOf(part, "post_processor");
            ThrowIf(type is not ("TemplateProcessing" or "ByteLevel"), "post_processor", $"`{type}` is not supported, expected TemplateProcessing or ByteLevel");
            if (type == "TemplateProcessing")
            {
                (List<int> before, List<int> after) = ReadTemplate(part);
                prefix.InsertRange(0, before);
                suffix.AddRange(after);
            }
        }

        return (prefix, suffix);
    }

    public void CheckDecoder(JsonElement? element)
    {
        List<JsonElement> parts = Flatten(element, "decoder", "decoders");
        ThrowIf(parts.Count != 1 || TypeOf(parts[0], "decoder") != "ByteLevel", "decoder", "only ByteLevel is supported");
    }

    private PieceScanner ReadSplit(JsonElement part)
    {
        const string Field = "pre_tokenizer.pattern";
        if (!(part.TryGetProperty("behavior", out JsonElement behavior) && behavior.ValueKind == JsonValueKind.String
            && behavior.ValueEquals("Isolated")) || Flag(part, "invert", false))
        {
            throw Error("pre_tokenizer.behavior", "only Isolated, not inverted, is supported");
        }

        ThrowIf(!part.TryGetProperty("pattern", out JsonElement pattern) || pattern.ValueKind != JsonValueKind.Object, Field, "missing");
        if (pattern.TryGetProperty("String", out JsonElement literal) && literal.ValueKind == JsonValueKind.String)
        {
            return new RegexScanner(new Regex(Regex.Escape(literal.GetString()!), RegexOptions.CultureInvariant));
        }

        ThrowIf(!pattern.TryGetProperty("Regex", out JsonElement expression) || expression.ValueKind != JsonValueKind.String, Field,
            "holds neither Regex nor String");
        return ScannerFor(expression.GetString()!, Field);
    }

    private PieceScanner ScannerFor(string pattern, string field)
    {
        switch (pattern)
        {
            case Llama3Scanner.Pattern:
                return new Llama3Scanner();
            case Gpt2Scanner.Pattern or Gpt2Scanner.EquivalentPattern:
                return new Gpt2Scanner();
            default:
                try
                {
                    return new RegexScanner(OnigurumaPattern.ToRegex(pattern));
                }
                catch (ArgumentException e)
                {
                    throw new ModelFileException(path, field, $"is not a pattern this library understands: {e.Message}", e);
                }
        }
    }

    private (List<int> Prefix, List<int> Suffix) ReadTemplate(JsonElement part)
    {
        const string Field = "post_processor.single";
        List<int> prefix = [];
        List<int> suffix = [];
        bool seen = false;
        ThrowIf(!part.TryGetProperty("single", out JsonElement single) || single.ValueKind != JsonValueKind.Array, Field, "missing or not a list");
        foreach (JsonElement item in single.EnumerateArray())
        {
            if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty("Sequence", out _))
            {
                seen = !seen ? true : throw Error(Field, "names the text twice");
            }
            else if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty("SpecialToken", out JsonElement special)
                && special.ValueKind == JsonValueKind.Object && special.TryGetProperty("id", out JsonElement id) && id.ValueKind == JsonValueKind.String)
            {
                (seen ? suffix : prefix).AddRange(SpecialIds(part, id.GetString()!));
            }
            else
            {
                throw Error(Field, "holds something that is neither Sequence nor SpecialToken");
            }
        }

        return seen ? (prefix, suffix) : throw Error(Field, "does not name the text");
    }

    private List<int> SpecialIds(JsonElement part, string name)
    {
        if (part.TryGetProperty("special_tokens", out JsonElement map) && map.ValueKind == JsonValueKind.Object
            && map.TryGetProperty(name, out JsonElement token) && token.ValueKind == JsonValueKind.Object
            && token.TryGetProperty("ids", out JsonElement list) && list.ValueKind == JsonValueKind.Array)
        {
            return [.. list.EnumerateArray().Select(item => TokenizerJsonReader.IsId(item, out int id) ? id
                : throw Error($"post_processor.special_tokens.{name}.ids", "holds something that is no token id"))];
        }

        throw Error($"post_processor.special_tokens.{name}", "missing");
    }

    /// <summary>The parts of a Sequence, or the element itself, or nothing.</summary>
    private List<JsonElement> Flatten(JsonElement? element, string field, string listName)
    {
        if (element is not { } given || TypeOf(given, field) != "Sequence")
        {
            return element is { } single ? [single] : [];
        }

        ThrowIf(
            !given.TryGetProperty(listName, out JsonElement list) || list.ValueKind != JsonValueKind.Array, $"{field}.{listName}", "missing or not a list");
        return [.. list.EnumerateArray().SelectMany(item => Flatten(item, field, listName))];
    }

    private string TypeOf(JsonElement element, string field) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String
            ? type.GetString()!
            : throw Error(field, "has no type");

    private bool Flag(JsonElement element, string name, bool fallback) =>
        !element.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null ? fallback
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Error(name, "is neither true nor false");

    private void ThrowIf(bool isFault, string field, [InterpolatedStringHandlerArgument(nameof(isFault))] FaultText message) =>
        ModelFileException.ThrowIf(isFault, path, field, message);

    private ModelFileException Error(string field, string message) => new(path, field, message);
}
