namespace LlasaNative.Text;

/// <summary>The special tokens of a Whisper model and the prompts made of them.</summary>
/// <param name="IsMultilingual">Whether prompts name language and task; English-only models know neither.</param>
/// <param name="EndOfText">Ends a transcript, and stands at the end of a text whose likelihood is measured.</param>
/// <param name="OtherEnds">What ends a transcript as well; empty for OpenAI's models.</param>
/// <param name="StartOfTranscript">First token of every prompt.</param>
/// <param name="Languages">Language code (<c>en</c>) to token id; empty for an English-only model, although its tokenizer names some.</param>
/// <param name="Transcribe">Asks for a transcript in the language spoken; null when the model has no tasks.</param>
/// <param name="Translate">Asks for a translation to English; null when the model has no tasks.</param>
/// <param name="NoTimestamps">Switches timestamps off; null when the model has none.</param>
/// <param name="NoSpeech">Says that there is no speech; null when the model has none.</param>
/// <param name="SuppressTokens">Tokens that are never produced.</param>
/// <param name="BeginSuppressTokens">Tokens that are never produced first.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record WhisperTokens(
    bool IsMultilingual, int EndOfText, ImmutableArray<int> OtherEnds, int StartOfTranscript, IReadOnlyDictionary<string, int> Languages,
    int? Transcribe, int? Translate, int? NoTimestamps, int? NoSpeech, ImmutableArray<int> SuppressTokens, ImmutableArray<int> BeginSuppressTokens)
{
    // In the order of the ids, first after <|startoftranscript|>; the last came with large-v3.
    private static readonly string[] StandardLanguages = (
        "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy sk te fa "
        + "lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk "
        + "nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue").Split(' ');

    // Where GPT-2's vocabulary ends, and the whole vocabulary of OpenAI's English-only models; others begin one later.
    private const int EnglishEndOfText = 50256;
    private const int EnglishVocabularySize = 51864;

    /// <summary>First timestamp, <c>&lt;|0.00|&gt;</c>: one after <see cref="NoTimestamps"/>.</summary>
    public int? TimestampBegin => NoTimestamps + 1;

    /// <summary>Finds the special tokens of a Whisper directory: its generation config first, then the added tokens of its tokenizer.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="config">The model's config.</param>
    /// <param name="generation">The model's generation config, or <see cref="WhisperGenerationConfig.Empty"/>.</param>
    /// <exception cref="ModelFileException">A token lies outside the model's vocabulary.</exception>
    public static WhisperTokens Find(ByteLevelBpe tokenizer, WhisperConfig config, WhisperGenerationConfig generation)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(generation);
        int start = generation.DecoderStartTokenId ?? config.DecoderStartTokenId ?? Id("<|startoftranscript|>") ?? throw Unnamed("decoder_start_token_id");
        ImmutableArray<int> ends = generation.EosTokenIds is { IsEmpty: false } named ? named : config.EosTokenIds;
        int? own = Id("<|endoftext|>");
        int end = ends.IsEmpty ? own ?? throw Unnamed("eos_token_id") : own is { } id && ends.Contains(id) ? id : ends[0];
        Dictionary<string, int> languages = LanguagesOf(tokenizer, generation, start);
        bool multilingual = generation.IsMultilingual
            ?? (generation.LanguageIds.Count > 0 || (languages.Count > 0 && end != EnglishEndOfText && config.VocabularySize != EnglishVocabularySize));
        WhisperTokens tokens = new(
            IsMultilingual: multilingual,
            EndOfText: end,
            OtherEnds: [.. ends.Where(id => id != end).Distinct()],
            StartOfTranscript: start,
            Languages: multilingual ? languages : [],
            Transcribe: multilingual ? Task("transcribe") : null,
            Translate: multilingual ? Task("translate") : null,
            NoTimestamps: generation.NoTimestampsTokenId ?? Id("<|notimestamps|>"),
            NoSpeech: Id("<|nospeech|>") ?? Id("<|nocaptions|>"),
            SuppressTokens: generation.SuppressTokens,
            BeginSuppressTokens: generation.BeginSuppressTokens);
        tokens.CheckRange(config.VocabularySize, tokenizer.Path);
        return tokens;

        ModelFileException Unnamed(string field) => new(tokenizer.Path, field, "neither the model's configs nor its tokenizer name this token");
        int? Id(string content) => tokenizer.TryGetId(content, out int id) ? id : null;
        int? Task(string name) => generation.TaskIds.TryGetValue(name, out int id) ? id : Id($"<|{name}|>");
    }

    /// <summary>The tokens of OpenAI's models: the ranks, then the special tokens.</summary>
    /// <param name="vocabularySize">51864 (English only), 51865 (99 languages) or 51866 (100 languages, large-v3).</param>
    /// <exception cref="ArgumentOutOfRangeException">Another size.</exception>
    public static WhisperTokens Standard(int vocabularySize)
    {
        int count = vocabularySize switch
        {
            EnglishVocabularySize or 51865 => 99,
            51866 => 100,
            _ => throw new ArgumentOutOfRangeException(nameof(vocabularySize), vocabularySize, "Expected 51864, 51865 or 51866."),
        };
        bool english = vocabularySize == EnglishVocabularySize;
        int end = english ? EnglishEndOfText : EnglishEndOfText + 1;
        int afterLanguages = end + 2 + count;
        return new WhisperTokens(
            IsMultilingual: !english,
            EndOfText: end,
            OtherEnds: [],
            StartOfTranscript: end + 1,
            Languages: Enumerable.Range(0, english ? 0 : count).ToDictionary(i => StandardLanguages[i], i => end + 2 + i, StringComparer.Ordinal),
            Translate: english ? null : afterLanguages,
            Transcribe: english ? null : afterLanguages + 1,
            NoSpeech: afterLanguages + 4,
            NoTimestamps: afterLanguages + 5,
            SuppressTokens: [],
            BeginSuppressTokens: []);
    }

    /// <summary>Id of a language token.</summary>
    /// <param name="language">Code such as <c>en</c>, or what <see cref="LanguageNames.ToCode"/> reads.</param>
    /// <exception cref="UsageException">The model does not know the language.</exception>
    public int Language(string language)
    {
        ArgumentNullException.ThrowIfNull(language);
        return Languages.TryGetValue(language, out int id) || Languages.TryGetValue(LanguageNames.ToCode(language), out id)
            ? id
            : throw new UsageException($"language `{language}` is not one of the recogniser's {Languages.Count}: "
                + string.Join(", ", Languages.Keys.Order(StringComparer.Ordinal).Take(8)) + (Languages.Count > 8 ? ", …" : string.Empty));
    }

    /// <summary>The prompt of the <c>seed</c> style: start of transcript only.</summary>
    public int[] SeedPrompt() => [StartOfTranscript];

    /// <summary>
    /// The prompt of the <c>full</c> style: start, language, transcribe, no timestamps; of these what the model has, so that an
    /// English-only one gets start and no timestamps.
    /// </summary>
    /// <param name="language">Code such as <c>en</c>, or what <see cref="LanguageNames.ToCode"/> reads.</param>
    /// <exception cref="UsageException">The model does not know the language, or has no such tokens.</exception>
    public int[] FullPrompt(string language)
    {
        int[] plain = NoTimestamps is { } id ? [id] : [];
        if (!IsMultilingual)
        {
            return LanguageNames.ToCode(language) == "en" ? [StartOfTranscript, .. plain]
                : throw new UsageException($"language `{language}`: the recogniser is an English-only model, which takes no language");
        }

        return Transcribe is { } task
            ? [StartOfTranscript, Language(language), task, .. plain]
            : throw new UsageException("the recogniser has no <|transcribe|> token: use the `seed` prompt");
    }

    private static Dictionary<string, int> LanguagesOf(ByteLevelBpe tokenizer, WhisperGenerationConfig generation, int start)
    {
        Dictionary<string, int> languages = new(StringComparer.Ordinal);
        foreach ((string name, int id) in generation.LanguageIds)
        {
            languages[LanguageCode(name)] = id;
        }

        foreach (AddedToken token in languages.Count > 0 ? [] : tokenizer.AddedTokens.Where(t => IsLanguage(t.Content) && (t.Id > start || LanguageNames.IsCode(LanguageCode(t.Content)))))
        {
            languages[LanguageCode(token.Content)] = token.Id;
        }

        return languages;
    }

    private static bool IsLanguage(string content) =>
        content.Length is 6 or 7 && content.StartsWith("<|", StringComparison.Ordinal) && content.EndsWith("|>", StringComparison.Ordinal)
        && LanguageCode(content).All(char.IsAsciiLetterLower);

    private static string LanguageCode(string token) => token.Length > 4 && token[0] == '<' ? token[2..^2] : token;

    private void CheckRange(int vocabularySize, string path)
    {
        // An English-only model has no use for what else its files may list.
        List<int?> all = [EndOfText, StartOfTranscript, Transcribe, Translate, NoTimestamps, NoSpeech];
        all.AddRange(Languages.Values.Concat(OtherEnds).Concat(SuppressTokens).Concat(BeginSuppressTokens).Select(id => (int?)id));
        if (all.Find(id => id >= vocabularySize) is { } bad)
        {
            throw new ModelFileException(path, null, string.Create(
                CultureInfo.InvariantCulture, $"special token id {bad} lies outside the model's vocabulary of {vocabularySize}"));
        }
    }
}
