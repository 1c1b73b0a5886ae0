namespace LlasaNative.Models;

/// <summary>Whisper from a Hugging Face directory: what is heard in a clip, and how likely a given text is.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it.</remarks>
public sealed class NativeRecogniser : IRecogniser
{
    /// <summary>Samples per second of the sound it listens to.</summary>
    public const int SampleRate = Recognition.RecognisedSample.SampleRate;

    private readonly NativeWhisper _whisper;
    private readonly WhisperVocabulary _vocabulary;
    private readonly ScoringOptions _options;
    private readonly int[] _transcriptPrompt;
    private readonly int[] _targetPrompt;
    private readonly bool _detect;
    private readonly bool _spaced;

    private NativeRecogniser(HuggingFaceDirectory directory, ScoringOptions options, ComputeType type)
        : this(options, WhisperConfig.FromDirectory(directory), ByteLevelBpe.FromDirectory(directory.Path), directory) =>
        _whisper = NativeErrors.AboutFile(directory.ConfigPath, null, () => new NativeWhisper(ToNative(Config, Tokens.EndOfText, type, options)));

    private NativeRecogniser(ScoringOptions options, WhisperConfig config, ByteLevelBpe tokenizer, HuggingFaceDirectory directory)
        : this(options, config, new WhisperVocabulary(tokenizer, WhisperTokens.Find(
            tokenizer, config, WhisperGenerationConfig.FromDirectory(directory.Path)), config.VocabularySize), null!)
    {
    }

    private NativeRecogniser(ScoringOptions options, WhisperConfig config, WhisperVocabulary vocabulary, NativeWhisper whisper)
    {
        _options = options;
        Config = config;
        _vocabulary = vocabulary;
        _whisper = whisper;
        var anyLanguage = options.Language == "auto";
        _detect = anyLanguage && Tokens.IsMultilingual;
        var language = anyLanguage ? Tokens.Languages.Keys.FirstOrDefault("en") : options.TextLanguage;
        UsageException.ThrowIf(!Tokens.IsMultilingual && !anyLanguage && options.Language != ScoringOptions.NoLanguage,
            $"recogniser.language `{options.Language}`: the recogniser is an English-only model, which takes no language; leave it at `{ScoringOptions.NoLanguage}`");
        var canPrompt = !Tokens.IsMultilingual || (Tokens.Transcribe is not null && Tokens.Languages.Count > 0);
        _transcriptPrompt = canPrompt ? Tokens.FullPrompt(language) : Tokens.SeedPrompt();
        _targetPrompt = options.Prompt == ScorePromptStyle.Full ? Tokens.FullPrompt(language) : Tokens.SeedPrompt();
        _spaced = vocabulary.BeginsWithSpace(options);
    }

    /// <summary>Sizes of the model.</summary>
    public WhisperConfig Config { get; }

    /// <summary>Its special tokens.</summary>
    public WhisperTokens Tokens => _vocabulary.Tokens;

    /// <summary>Loads a directory.</summary>
    /// <param name="path">Hugging Face directory of a Whisper model.</param>
    /// <param name="options">How it listens; null for the defaults.</param>
    /// <param name="type">Element type of the matrices and filters.</param>
    /// <exception cref="ModelFileException">Something is missing, malformed or not supported; the message names file and field.</exception>
    /// <exception cref="UsageException">The model does not know the language, or lacks the tokens of the prompt.</exception>
    public static NativeRecogniser Load(string path, ScoringOptions? options = null, ComputeType type = ComputeType.F32)
    {
        using var directory = HuggingFaceDirectory.Open(path);
        if (TiedHead.Whisper.Differs(directory))
        {
            throw new ModelFileException(directory.FileOf(TiedHead.Whisper.Head).Path, TiedHead.Whisper.Head,
                $"differs from `{TiedHead.Whisper.Embedding}`: a recogniser whose head is not its embedding is not supported");
        }

        return new NativeRecogniser(directory, options ?? new ScoringOptions(), type).DisposeOnFailure(recogniser =>
        {
            WeightLoader.Load(directory, recogniser._whisper.GetTensors(), recogniser._whisper.SetTensor, TiedHead.Whisper);
            WeightLoader.WarnOfUnread(directory, recogniser._whisper.GetTensors(), TiedHead.Whisper);
        });
    }

    /// <inheritdoc/>
    public int BatchSize => _options.BatchSize;

    /// <inheritdoc/>
    public int WindowSamples => Config.WindowSamples;

    /// <inheritdoc/>
    public IRecogniser ListenAs(ScoringOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new NativeRecogniser(options, Config, _vocabulary, _whisper);
    }

    /// <summary>Token ids of a text as its likelihood is measured: prompt, text, end of text.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="UsageException">It is longer than the model allows.</exception>
    public int[] EncodeTarget(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int[] ids = [.. _targetPrompt, .. _vocabulary.Encode(_spaced && !text.StartsWith(' ') ? " " + text : text), Tokens.EndOfText];
        return ids.Length <= Config.MaxTargetPositions
            ? ids
            : throw new UsageException($"the text `{(text.Length <= 40 ? text : text[..40] + "…")}` takes {ids.Length} tokens of the recogniser, "
                + $"which allows {Config.MaxTargetPositions} (max_target_positions)");
    }

    /// <inheritdoc/>
    public void CheckText(string text) => EncodeTarget(text);

    /// <summary>Tokens of a text alone.</summary>
    /// <param name="text">Any text.</param>
    public int CountTokens(string text) => _vocabulary.Encode(text).Length;

    /// <summary>Listens to clips.</summary>
    /// <param name="waves">The clips, 16 kHz.</param>
    /// <param name="texts">What each should say, for the likelihood; empty = transcripts only.</param>
    /// <param name="cancellation">Honoured between batches.</param>
    /// <returns>One score per clip.</returns>
    public SpeechScore[] Score(WaveBatch waves, IReadOnlyList<string> texts, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(waves);
        ArgumentNullException.ThrowIfNull(texts);
        var scores = new SpeechScore[waves.Count];
        for (var first = 0; first < waves.Count; first += _options.BatchSize)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = Math.Min(_options.BatchSize, waves.Count - first);
            var batchTexts = texts.Count == 0 ? texts : [.. texts.Skip(first).Take(count)];
            ScoreBatch(waves, first, count, batchTexts, scores.AsSpan(first, count));
        }

        return scores;
    }

    SpeechScore[] IRecogniser.Score(ISounds sounds, IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        if (sounds is WaveBatch waves)
        {
            return Score(waves, texts, cancellation);
        }

        using var copy = WaveBatch.Of(sounds);
        return Score(copy, texts, cancellation);
    }

    (ISounds Sounds, SpeechScore[] Scores, double CodecSeconds) IRecogniser.Score(
        ISpeechCodec codec, IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        if (codec is not SpeechCodec native)
        {
            return IRecogniser.ByTheirSounds(this, codec, codes, texts, cancellation);
        }

        var scores = new SpeechScore[codes.Count];
        var waves = Score(native, codes, texts, scores, out var codecSeconds);
        return (waves, scores, codecSeconds);
    }

    /// <summary>Makes sound of codes and listens to it; on its way the sound stays on the device, and a copy of it comes back.</summary>
    /// <param name="codec">Makes the sound, on the recogniser's device.</param>
    /// <param name="codes">Codes of at most <see cref="BatchSize"/> clips; a clip may be empty.</param>
    /// <param name="texts">As for sound.</param>
    /// <param name="scores">[clips] receives the scores.</param>
    /// <param name="codecSeconds">Receives the seconds until there was sound.</param>
    /// <returns>The sound; dispose it.</returns>
    internal WaveBatch Score(SpeechCodec codec, IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, Span<SpeechScore> scores, out double codecSeconds)
    {
        var offsets = SpeechCodec.Offsets(codes);
        var waves = codec.MakeRoom(offsets);
        try
        {
            var result = _whisper.ScoreCodes(codec.Native, offsets, codes.SelectMany(c => c).ToArray(), Request(texts), waves.Samples);
            ToScores(result, waves.Offsets, waves.Samples, texts, scores);
            codecSeconds = result.CodecSeconds;
            return waves;
        }
        catch
        {
            waves.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _whisper.Dispose();

    internal static NativeWhisperOptions ToNative(WhisperConfig config, int endOfText, ComputeType type, ScoringOptions? scoring = null)
    {
        var options = NativeWhisperOptions.CreateDefault();
        options.ComputeDtype = type.ToNative();
        scoring ??= new ScoringOptions();
        options.Device = scoring.Device;
        options.CacheBytes = (long)scoring.CacheMib << 20;
        options.VocabSize = config.VocabularySize;
        options.NumMelBins = config.MelBins;
        options.DModel = config.HiddenSize;
        options.EncoderLayers = config.EncoderLayers;
        options.EncoderHeads = config.EncoderHeads;
        options.EncoderFfnDim = config.EncoderIntermediateSize;
        options.DecoderLayers = config.DecoderLayers;
        options.DecoderHeads = config.DecoderHeads;
        options.DecoderFfnDim = config.DecoderIntermediateSize;
        options.MaxSourcePositions = config.MaxSourcePositions;
        options.MaxTargetPositions = config.MaxTargetPositions;
        options.EotToken = endOfText;
        return options;
    }

    private void ScoreBatch(WaveBatch waves, int first, int count, IReadOnlyList<string> texts, Span<SpeechScore> scores)
    {
        var start = waves.Offsets[first];
        var offsets = new long[count + 1];
        for (var i = 0; i <= count; i++)
        {
            offsets[i] = waves.Offsets[first + i] - start;
        }

        var samples = waves.Samples[(int)start..(int)waves.Offsets[first + count]];
        ToScores(_whisper.Score(offsets, samples, Request(texts)), offsets, samples, texts, scores);
    }

    private NativeWhisperRequest Request(IReadOnlyList<string> texts, bool toTheEnd = false)
    {
        int[][] targets = [.. texts.Select(EncodeTarget)];
        var longest = Config.MaxTargetPositions - _transcriptPrompt.Length;
        var bound = toTheEnd || texts.Count == 0 ? null : _options.Bound;
        return new NativeWhisperRequest
        {
            MaxNewTokens = _options.MaxTokens > 0 ? Math.Min(_options.MaxTokens, longest) : longest,
            PromptIds = _transcriptPrompt,
            LanguageSlot = _detect && _transcriptPrompt.Length > 1 ? 1 : -1,
            LanguageIds = Tokens.Languages.Values.ToArray(),
            EndIds = Tokens.OtherEnds.AsSpan(),
            NoSpeechToken = Tokens.NoSpeech ?? -1,
            SuppressIds = Tokens.SuppressTokens.AsSpan(),
            BeginSuppressIds = Tokens.BeginSuppressTokens.AsSpan(),
            TargetOffsets = texts.Count == 0 ? [] : WaveBatch.OffsetsOf(targets.Select(target => target.Length)),
            TargetIds = targets.SelectMany(t => t).ToArray(),
            TargetFirst = targets.Select(_ => _targetPrompt.Length).ToArray(),
            TargetLanguageSlot = _detect && _targetPrompt.Length > 1 ? 1 : -1,
            MinWindowSamples = ScoringOptions.MinWindowSamples,
            SilenceRms = (float)_options.SilenceRms,
            IdCharacters = bound is null ? [] : _vocabulary.Characters,
            MaxCharacters = bound is null ? [] : texts.Select(t => bound.Characters(t, 1)).ToArray(),
            LoopCharacters = bound is null ? [] : texts.Select(t => bound.Characters(t, TranscriptBound.LoopShare)).ToArray(),
        };
    }

    private void ToScores(
        NativeWhisperResult result, ReadOnlySpan<long> offsets, ReadOnlySpan<float> samples, IReadOnlyList<string> texts, Span<SpeechScore> scores)
    {
        List<int> tooEarly = [];
        for (var i = 0; i < scores.Length; i++)
        {
            scores[i] = new SpeechScore(
                _vocabulary.Words(result.Tokens(i)).Trim(),
                texts.Count > 0 ? result.MeanNlls[i] : double.NaN,
                result.MeanLogProbs[i],
                Tokens.NoSpeech is null ? 0 : result.NoSpeechProbs[i])
            {
                BeyondWindow = offsets[i + 1] - offsets[i] > WindowSamples,
                EndedEarly = result.EarlyEnd(i) != NativeEarlyEnd.No,
            };
            if (result.EarlyEnd(i) is (NativeEarlyEnd.Length or NativeEarlyEnd.Loop) and var end
                && !_options.Bound!.Holds(texts[i], scores[i].Transcript, end == NativeEarlyEnd.Length ? 1 : TranscriptBound.LoopShare))
            {
                tooEarly.Add(i);
            }
        }

        foreach (var i in tooEarly)
        {
            var clip = samples[(int)offsets[i]..(int)offsets[i + 1]];
            var whole = _whisper.Score([0, clip.Length], clip, Request([texts[i]], toTheEnd: true));
            scores[i] = scores[i] with { Transcript = _vocabulary.Words(whole.Tokens(0)).Trim(), MeanLogProb = whole.MeanLogProbs[0], EndedEarly = false };
        }
    }
}
