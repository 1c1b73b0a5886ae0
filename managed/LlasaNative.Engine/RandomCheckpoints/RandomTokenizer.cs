namespace LlasaNative.RandomCheckpoints;

/// <summary>Writes a <c>tokenizer.json</c> whose special tokens are the public models', and whose merges are made up.</summary>
/// <remarks>
/// Texts come apart into pieces of one to three bytes. Every id has a token and every token its id in order, which is what Hugging
/// Face's tokenizers make of a file whatever ids it says.
/// </remarks>
internal static class RandomTokenizer
{
    private const int Codes = 65_536;

    // Where a tokenizer of Llama 3 ends.
    private const int LlamaText = 128_000;

    private static readonly string[] Llasa =
    [
        "<|TEXT_GENERATION_START|>", "<|TEXT_GENERATION_END|>", "<|TEXT_UNDERSTANDING_START|>", "<|TEXT_UNDERSTANDING_END|>",
        SpeechTokens.StartToken, SpeechTokens.EndToken, "<|SPEECH_UNDERSTANDING_START|>", "<|SPEECH_UNDERSTANDING_END|>",
    ];

    /// <summary>Writes the tokenizer of a Llasa policy: bytes and merges, Llama's special tokens, Llasa's, and as many codes as fit.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="vocabulary">Number of ids; that of Llasa gives each special token its true id.</param>
    /// <exception cref="UsageException">There is no room for bytes, special tokens and a code.</exception>
    public static void WritePolicy(string path, int vocabulary)
    {
        string[] special = [.. vocabulary >= LlamaText + 256 + Llasa.Length + Codes ? LlamaSpecial() : EssentialSpecial(), .. Llasa];
        var codes = Math.Min(Codes, vocabulary - 256 - special.Length);
        UsageException.ThrowIf(
            codes < 1, $"vocab_size {vocabulary}: expected at least {256 + special.Length + 1}, for bytes, special tokens and a code");
        Write(path, vocabulary - special.Length - codes, [.. special, .. Enumerable.Range(0, codes).Select(SpeechTokens.Name)], Llama3Scanner.Pattern);
    }

    /// <summary>Writes the tokenizer of a Whisper of OpenAI's.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="tokens">Its special tokens.</param>
    /// <param name="vocabulary">Number of ids.</param>
    public static void WriteRecogniser(string path, WhisperTokens tokens, int vocabulary)
    {
        var languages = tokens.Languages.OrderBy(pair => pair.Value).Select(pair => $"<|{pair.Key}|>");
        string[] special =
        [
            "<|endoftext|>", "<|startoftranscript|>", .. languages, "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
            "<|nospeech|>", "<|notimestamps|>",
        ];
        var stamps = vocabulary - tokens.EndOfText - special.Length;
        var times = Enumerable.Range(0, stamps).Select(i => string.Create(CultureInfo.InvariantCulture, $"<|{i * 0.02:F2}|>"));
        Write(path, tokens.EndOfText, [.. special, .. times], pattern: null);
    }

    private static IEnumerable<string> LlamaSpecial()
    {
        string[] named =
        [
            "<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>", "<|finetune_right_pad_id|>",
            "<|reserved_special_token_2|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>",
        ];
        return named.Concat(Enumerable.Range(3, 256 - named.Length).Select(i => string.Create(CultureInfo.InvariantCulture, $"<|reserved_special_token_{i}|>")));
    }

    private static IEnumerable<string> EssentialSpecial() =>
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];

    private static void Write(string path, int entries, IReadOnlyList<string> special, string? pattern)
    {
        string[] bytes = [.. BytesInOrder().Select(b => ByteAlphabet.ToText([b]))];
        List<(string Left, string Right)> merges = [.. Merges(bytes).Take(entries - bytes.Length)];
        var split = new { Type = "Split", Pattern = new Dictionary<string, string?> { ["Regex"] = pattern }, Behavior = "Isolated", Invert = false };
        File.WriteAllBytes(path, JsonWriting.ToFile(new
        {
            Version = "1.0",
            AddedTokens = special.Select((content, i) => new
            {
                Id = entries + i, Content = content, SingleWord = false, Lstrip = false, Rstrip = false, Normalized = false, Special = true,
            }),
            PreTokenizer = pattern is null ? ByteLevel(splits: true) : new { Type = "Sequence", Pretokenizers = new[] { split, ByteLevel(splits: false) } },
            Decoder = ByteLevel(splits: true),
            Model = new
            {
                Type = "BPE",
                IgnoreMerges = false,
                Vocab = bytes.Concat(merges.Select(m => m.Left + m.Right)).Select((entry, id) => (entry, id)).ToDictionary(),
                Merges = merges.Select(m => $"{m.Left} {m.Right}"),
            },
        }));
    }

    private static object ByteLevel(bool splits) => new { Type = "ByteLevel", AddPrefixSpace = false, TrimOffsets = true, UseRegex = splits };

    /// <summary>What texts are made of comes first, so that the first merges are of use.</summary>
    private static IEnumerable<byte> BytesInOrder()
    {
        var common = " etaoinshrdlucmfwypvbgkjxqz"u8.ToArray();
        return common.Concat(Enumerable.Range(0, 256).Select(i => (byte)i).Except(common));
    }

    /// <summary>All pairs of bytes, then pairs with a third byte: more than any vocabulary asks for.</summary>
    private static IEnumerable<(string Left, string Right)> Merges(string[] bytes)
    {
        var pairs = bytes.SelectMany(_ => bytes, (left, right) => (Left: left, Right: right));
        return pairs.Concat(pairs.SelectMany(_ => bytes, (pair, third) => (pair.Left + pair.Right, third)));
    }
}
