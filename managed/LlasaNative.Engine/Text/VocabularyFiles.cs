namespace LlasaNative.Text;

/// <summary>
/// Reads the files of a tokenizer from before <c>tokenizer.json</c>: <c>vocab.json</c>, <c>merges.txt</c>, and the three that say
/// which tokens stand apart. Which tokens those are is decided as Transformers does when it loads such a directory.
/// </summary>
internal sealed class VocabularyFiles
{
    private const string Vocabulary = "vocab.json";
    private const string Merges = "merges.txt";
    private const string EndOfText = "<|endoftext|>";
    private static readonly string[] _named = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    private static readonly string[] _lists = ["additional_special_tokens", "extra_special_tokens"];

    private readonly string _directory;
    private readonly JsonFields _config;
    private readonly string _kind;
    private readonly TokenizerBuilder _builder;

    // What the files name as special, by role, in the order in which Transformers adds what is missing.
    private readonly Dictionary<string, List<AddedToken>> _special = new(StringComparer.Ordinal);

    private VocabularyFiles(string directory)
    {
        _directory = directory;
        _config = ConfigOf(directory);
        _kind = KindOf(directory, _config);
        _builder = TokenizerJsonReader.ReadVocabulary(File(Vocabulary));
    }

    /// <summary>Whether a directory has such files.</summary>
    public static bool AreIn(string directory) => System.IO.File.Exists(Path.Combine(directory, Vocabulary)) && System.IO.File.Exists(Path.Combine(directory, Merges));

    /// <summary>
    /// What the files beside a <c>tokenizer.json</c> say of added tokens: the <c>added_tokens_decoder</c> of
    /// <c>tokenizer_config.json</c>, or where there is none <c>added_tokens.json</c>, then the special tokens they name, without an
    /// id (-1). Transformers adds those that <c>tokenizer.json</c> lacks, in this order.
    /// </summary>
    /// <param name="directory">Directory of the model.</param>
    /// <exception cref="ModelFileException">A file is malformed; the message names the field.</exception>
    public static IEnumerable<AddedToken> Beside(string directory)
    {
        Dictionary<string, List<AddedToken>> special = new(StringComparer.Ordinal);
        return [.. ReadAdded(directory, ConfigOf(directory), special).Added, .. InOrder(special)];
    }

    /// <summary>
    /// Whether a space is put before a text, where Transformers' class says so whatever <c>tokenizer.json</c> has: Whisper's and
    /// GPT-2's go by <c>tokenizer_config.json</c>, and put none where it does not say; null for any other.
    /// </summary>
    /// <param name="directory">Directory of the model.</param>
    /// <exception cref="ModelFileException">The file is malformed.</exception>
    public static bool? PrefixSpace(string directory) =>
        ConfigOf(directory) is var config && IsGpt2(KindOf(directory, config)) ? config.BoolOr("add_prefix_space", false) : null;

    /// <summary>Reads a directory that has them.</summary>
    public static TokenizerParts Read(string directory) => new VocabularyFiles(directory).Read();

    private bool IsWhisper => _kind == "WhisperTokenizer";

    private bool SplitsAsGpt2 => IsGpt2(_kind);

    private TokenizerParts Read()
    {
        ReadMerges();
        ReadTokens();
        IReadOnlyList<PreTokenizerStep> steps = SplitsAsGpt2
            ? [new(_config.BoolOr("add_prefix_space", false), new Gpt2Scanner())]
            : [new(false, new Llama3Scanner()), new(false, null)];
        (int[] prefix, int[] suffix) = Template();
        return _builder.Build(File(Vocabulary), ignoreMerges: !SplitsAsGpt2, steps, form: null, prefix, suffix);
    }

    private static bool IsGpt2(string kind) => kind is "WhisperTokenizer" or "GPT2Tokenizer";

    private static JsonFields ConfigOf(string directory) => JsonFields.FromFileOrEmpty(Path.Combine(directory, "tokenizer_config.json"));

    private string File(string name) => Path.Combine(_directory, name);

    /// <summary>The class that Transformers would load, without the ending that tells its two implementations apart.</summary>
    private static string KindOf(string directory, JsonFields config)
    {
        JsonFields model = JsonFields.FromFileOrEmpty(Path.Combine(directory, "config.json"));
        string name = config.StringOr("tokenizer_class", model.StringOr("tokenizer_class", string.Empty));
        name = name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^4] : name;
        return name != "GPT2Tokenizer" && model.StringOr("model_type", string.Empty) == "whisper" ? "WhisperTokenizer" : name;
    }

    private void ReadMerges()
    {
        string path = File(Merges);
        ReadOnlySpan<byte> text = FileErrors.ReadAllBytes(path);
        _builder.BeginMerges(text.Count((byte)'\n') + 1);
        text = text.StartsWith(Encoding.UTF8.Preamble) ? text[Encoding.UTF8.Preamble.Length..] : text;
        int number = 0;
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range].TrimEnd((byte)'\r');
            number++;

            // Only this line is none: a merge may begin with # like any other.
            if (line.IsEmpty || line.StartsWith("#version"u8))
            {
                continue;
            }

            int space = line.IndexOf((byte)' ');
            string? reason = space <= 0 || line[(space + 1)..].Contains((byte)' ') || space + 1 == line.Length
                ? "expected two tokens with one space between"
                : _builder.AddMerge(line[..space], line[(space + 1)..]);
            if (reason is not null)
            {
                throw new ModelFileException(path, string.Create(CultureInfo.InvariantCulture, $"line {number}"), reason);
            }
        }
    }

    private void ReadTokens()
    {
        foreach (string role in SplitsAsGpt2 ? ["bos_token", "eos_token", "unk_token"] : Array.Empty<string>())
        {
            _special[role] = [Special(EndOfText)];
        }

        (string path, ICollection<AddedToken> added) = ReadAdded(_directory, _config, _special);
        Add(added, path);
    }

    // By id, and the file that names them; what they and others name as special is added to that.
    private static (string Path, ICollection<AddedToken> Added) ReadAdded(string directory, JsonFields config, Dictionary<string, List<AddedToken>> special)
    {
        ReadSpecial(config, special);
        if (config.ObjectOrNull("added_tokens_decoder") is { } decoder)
        {
            // Such a file says everything; the two older ones are left alone then.
            return (config.Path, ReadDecoder(decoder).Values);
        }

        ReadSpecial(JsonFields.FromFileOrEmpty(Path.Combine(directory, "special_tokens_map.json")), special);
        string path = Path.Combine(directory, "added_tokens.json");
        return (path, ReadEncoder(path).Values);
    }

    private static SortedDictionary<int, AddedToken> ReadDecoder(JsonFields decoder)
    {
        SortedDictionary<int, AddedToken> added = [];
        foreach ((string key, JsonElement value) in decoder.All())
        {
            string field = $"added_tokens_decoder.{key}";
            int id = int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < TokenTable.MaxId
                ? number
                : throw new ModelFileException(decoder.Path, field, "is not a token id");
            added[id] = TokenizerJsonReader.ReadAddedToken(value, id, decoder.Path, field);
        }

        return added;
    }

    private static SortedDictionary<int, AddedToken> ReadEncoder(string path)
    {
        SortedDictionary<int, AddedToken> added = [];
        foreach ((string content, int id) in JsonFields.FromFileOrEmpty(path).IntMap(TokenTable.MaxId - 1))
        {
            added[id] = new AddedToken(id, content, Normalized: true);
        }

        return added;
    }

    private void Add(IEnumerable<AddedToken> added, string path)
    {
        List<AddedToken> special = [.. InOrder(_special)];
        HashSet<string> names = [.. special.Select(token => token.Content)];
        bool saysHow = _config.Has("added_tokens_decoder");
        HashSet<string> seen = [];
        foreach (AddedToken token in added.Where(token => token.Content.Length > 0))
        {
            bool named = names.Contains(token.Content);
            AddedToken whole = token with { Special = token.Special || named, Normalized = saysHow ? token.Normalized : !named };
            seen.Add(token.Content);
            if (_builder.Add(whole) is { } reason)
            {
                throw new ModelFileException(path, token.Content, reason);
            }
        }

        foreach (AddedToken token in special.Where(token => token.Content.Length > 0 && seen.Add(token.Content)))
        {
            int known = _builder.Find(Encoding.UTF8.GetBytes(token.Content));
            AddedToken whole = token with { Id = known >= 0 ? known : _builder.Tokens.Count };
            if (_builder.Add(whole) is { } reason)
            {
                throw new ModelFileException(File(Vocabulary), token.Content, reason);
            }
        }
    }

    private static IEnumerable<AddedToken> InOrder(Dictionary<string, List<AddedToken>> special) => _named.Concat(_lists).SelectMany(role => special.GetValueOrDefault(role) ?? []);

    private static void ReadSpecial(JsonFields fields, Dictionary<string, List<AddedToken>> special)
    {
        foreach ((string role, JsonElement value) in fields.All())
        {
            if (_named.Contains(role))
            {
                special[role] = value.ValueKind == JsonValueKind.Null ? [] : [Special(value, fields.Path, role)];
            }
            else if (_lists.Contains(role) && value.ValueKind != JsonValueKind.Null)
            {
                List<AddedToken> list = special.TryGetValue(role, out List<AddedToken>? before) ? before : special[role] = [];
                list.AddRange(value.ValueKind switch
                {
                    JsonValueKind.Array => value.EnumerateArray().Select((item, i) => Special(item, fields.Path, $"{role}[{i}]")),
                    JsonValueKind.Object => value.EnumerateObject().Select(item => Special(item.Value, fields.Path, role)),
                    _ => throw new ModelFileException(fields.Path, role, $"expected a list of tokens, found {value.ValueKind}"),
                });
            }
        }
    }

    private static AddedToken Special(string content) => new(-1, content, Special: true);

    private static AddedToken Special(JsonElement value, string path, string field) => value.ValueKind == JsonValueKind.String
        ? Special(JsonFields.TextOf(value, path, field))
        : TokenizerJsonReader.ReadAddedToken(value, -1, path, field) with { Special = true };

    /// <summary>What Transformers puts around a text.</summary>
    private (int[] Prefix, int[] Suffix) Template()
    {
        if (!IsWhisper)
        {
            bool begins = _config.BoolOr("add_bos_token", _kind == "LlamaTokenizer");
            return (begins ? Ids("bos_token") : [], _config.BoolOr("add_eos_token", false) ? Ids("eos_token") : []);
        }

        List<string> names = ["<|startoftranscript|>"];
        if (_config.Has("language"))
        {
            names.Add($"<|{LanguageNames.ToCode(_config.String("language"))}|>");
        }

        if (_config.Has("task"))
        {
            names.Add($"<|{_config.String("task")}|>");
        }

        if (!_config.BoolOr("predict_timestamps", false))
        {
            names.Add("<|notimestamps|>");
        }

        return ([.. names.SelectMany(IdsOf)], Ids("eos_token"));
    }

    private int[] Ids(string role) => _special.GetValueOrDefault(role) is [var token, ..] ? IdsOf(token.Content) : [];

    private int[] IdsOf(string content) => [.. _builder.Added.Where(token => token.Content == content).Select(token => token.Id).Take(1)];
}
