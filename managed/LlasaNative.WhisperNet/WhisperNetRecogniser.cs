using System.Globalization;
using System.Text;
using LlasaNative.Audio;
using LlasaNative.Models;
using LlasaNative.Text;
using LlasaNative.Training;

namespace LlasaNative.WhisperNet;

/// <summary>Whisper from a ggml file by Whisper.net: what is heard in a clip, in which language, and how likely a given text is.</summary>
/// <remarks>
/// Clips are heard side by side, each in a state of its own, so no result depends on the others or on the number of states.
/// <b>Threads:</b> any. <b>Lifetime:</b> dispose it once nobody listens.
/// </remarks>
/// <example>
/// <code>
/// using WhisperNetRecogniser ear = WhisperNetRecogniser.Load("ggml-large-v3.bin");
/// using WaveBatch waves = new(samples, WhisperNetRecogniser.SampleRate);
/// SpeechScore[] heard = ear.Score(waves, ["a quiet river"], CancellationToken.None);
/// </code>
/// </example>
public sealed class WhisperNetRecogniser : IRecogniser
{
    /// <summary>Samples per second of the sound it listens to.</summary>
    public const int SampleRate = NativeRecogniser.SampleRate;

    private readonly GgmlModel _model;
    private readonly WhisperVocabulary _vocabulary;
    private readonly ScoringOptions _options;
    private readonly int _states;
    private readonly bool _detect;
    private readonly bool _spaced;
    private readonly int[] _transcriptPrompt;
    private readonly int[] _targetPrompt;
    private readonly bool[] _banned;
    private readonly bool[] _bannedFirst;

    private WhisperNetRecogniser(GgmlModel model, WhisperVocabulary vocabulary, ScoringOptions options, int states)
    {
        _model = model;
        _vocabulary = vocabulary;
        _options = options;
        _states = states;
        _spaced = vocabulary.BeginsWithSpace(options);
        _detect = options.Language == "auto";
        _transcriptPrompt = Tokens.FullPrompt(_detect ? "en" : options.TextLanguage);
        _targetPrompt = options.Prompt == ScorePromptStyle.Full ? _transcriptPrompt : Tokens.SeedPrompt();
        // The ids that whisper.cpp never produces without timestamps: everything above the text, except the end.
        _banned = [.. Enumerable.Range(0, model.Header.VocabularySize).Select(id => id > Tokens.EndOfText)];
        _bannedFirst = [.. _banned];
        _bannedFirst[Tokens.EndOfText] = true;
        foreach (var id in vocabulary.Encode(" "))
        {
            _bannedFirst[id] = true;
        }
    }

    /// <summary>The model's special tokens.</summary>
    public WhisperTokens Tokens => _vocabulary.Tokens;

    /// <summary>Loads a file.</summary>
    /// <param name="path">A ggml file of a multilingual Whisper.</param>
    /// <param name="options">How it listens; null for the defaults.</param>
    /// <param name="states">Clips heard at the same time; 0 = one per processor.</param>
    /// <exception cref="ModelFileException">The file is missing, malformed or not supported; the message names file and field.</exception>
    /// <exception cref="UsageException">The model does not know the language, or transcripts are always to end early.</exception>
    public static WhisperNetRecogniser Load(string path, ScoringOptions? options = null, int states = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(states);
        options ??= new ScoringOptions();
        CheckEnd(options);
        return GgmlModel.Load(path, Math.Max(options.Device, 0))
            .DisposeOnFailure(model => new WhisperNetRecogniser(model, Vocabulary(model), options, states > 0 ? states : Environment.ProcessorCount));
    }

    /// <summary>Token ids of a text as its likelihood is measured: prompt, text, end of text.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="UsageException">It is longer than the model allows.</exception>
    public int[] EncodeTarget(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int[] ids = [.. _targetPrompt, .. _vocabulary.Encode(_spaced && !text.StartsWith(' ') ? " " + text : text), Tokens.EndOfText];
        return ids.Length <= _model.Header.TextContext
            ? ids
            : throw new UsageException($"the text `{(text.Length <= 40 ? text : text[..40] + "…")}` takes {ids.Length} tokens of the recogniser, "
                + $"which allows {_model.Header.TextContext} (n_text_ctx)");
    }

    /// <inheritdoc/>
    public int BatchSize => _options.BatchSize;

    /// <inheritdoc/>
    public int WindowSamples => _model.Header.WindowSamples;

    /// <inheritdoc/>
    public IRecogniser ListenAs(ScoringOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        CheckEnd(options);
        return new WhisperNetRecogniser(_model, _vocabulary, options, _states);
    }

    /// <inheritdoc/>
    public void CheckText(string text) => EncodeTarget(text);

    /// <inheritdoc/>
    /// <remarks>A clip longer than a window is transcribed window after window, without those that <see cref="ScoringOptions.Recognises"/> leaves out; likelihood, language and silence are of the first.</remarks>
    /// <exception cref="ArgumentException">The rate or the number of texts is wrong.</exception>
    public SpeechScore[] Score(ISounds sounds, IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(sounds);
        ArgumentNullException.ThrowIfNull(texts);
        if (sounds.SampleRate != SampleRate)
        {
            throw new ArgumentException($"{sounds.SampleRate} samples per second, expected {SampleRate}", nameof(sounds));
        }

        if (texts.Count > 0 && texts.Count != sounds.Count)
        {
            throw new ArgumentException($"{texts.Count} texts, expected {sounds.Count} or none", nameof(texts));
        }

        int[][] targets = [.. texts.Select(EncodeTarget)];
        var heard = new SpeechScore[sounds.Count];
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = _states, CancellationToken = cancellation };
        try
        {
            Parallel.For(0, heard.Length, parallel, i =>
            {
                using var state = _model.Borrow();
                heard[i] = Hear(state, sounds[i], targets.Length > 0 ? targets[i] : []);
            });
        }
        catch (AggregateException e) when (e.InnerExceptions.All(inner => inner is LlasaException))
        {
            throw new LlasaException(e.InnerExceptions[0].Message, e);
        }

        return heard;
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private SpeechScore Hear(GgmlState state, ReadOnlySpan<float> sound, int[] target)
    {
        var window = WindowSamples;
        state.Hear(sound[..Math.Min(window, sound.Length)]);
        var logits = state.Step(Tokens.StartOfTranscript, 0);
        var silence = Tokens.NoSpeech is { } id ? Math.Exp(logits[id] - GgmlState.LogSum(logits)) : 0;
        var language = _detect ? MostLikely(logits) : _options.TextLanguage;
        int[] prompt = [.. _transcriptPrompt];
        prompt[1] = Tokens.Language(language);
        var nll = double.NaN;
        if (target.Length > 0)
        {
            int[] ids = [.. target];
            if (_targetPrompt.Length > 1)
            {
                ids[1] = prompt[1];
            }

            nll = state.MeanNll(ids, _targetPrompt.Length);
        }

        List<int> text = [];
        Transcription so = new(0, 0);
        so = Transcribe(state, prompt, text, so);
        for (var start = window; start < sound.Length; start += window)
        {
            var later = sound[start..Math.Min(start + window, sound.Length)];
            if (_options.Recognises(later))
            {
                state.Hear(later);
                so = Transcribe(state, prompt, text, so);
            }
        }

        return new SpeechScore(_vocabulary.Words(text.ToArray()).Trim(), nll, so.LogProb / Math.Max(so.Drawn, 1), silence) { BeyondWindow = sound.Length > window, Language = language };
    }

    private Transcription Transcribe(GgmlState state, int[] prompt, List<int> text, Transcription so)
    {
        var most = _options.MaxTokens > 0 ? _options.MaxTokens : int.MaxValue;
        ReadOnlySpan<float> logits = [];
        for (var i = 0; i < prompt.Length; i++)
        {
            logits = state.Step(prompt[i], i);
        }

        for (var position = prompt.Length; position < _model.Header.TextContext && text.Count < most; position++)
        {
            var (id, logProb) = Choose(logits, position == prompt.Length ? _bannedFirst : _banned);
            so = new Transcription(so.Drawn + 1, so.LogProb + logProb);
            if (id == Tokens.EndOfText)
            {
                break;
            }

            text.Add(id);
            logits = state.Step(id, position);
        }

        return so;
    }

    /// <summary>The likeliest id that is allowed, and its log-prob among those allowed.</summary>
    private static (int Id, double LogProb) Choose(ReadOnlySpan<float> logits, bool[] banned)
    {
        var allowed = logits.ToArray();
        for (var i = 0; i < allowed.Length; i++)
        {
            allowed[i] = banned[i] ? float.NegativeInfinity : allowed[i];
        }

        var id = Array.IndexOf(allowed, allowed.Max());
        return (id, allowed[id] - GgmlState.LogSum(allowed));
    }

    private string MostLikely(ReadOnlySpan<float> logits)
    {
        var (best, most) = ("en", float.NegativeInfinity);
        foreach (var (language, id) in Tokens.Languages)
        {
            if (logits[id] > most)
            {
                (best, most) = (language, logits[id]);
            }
        }

        return best;
    }

    private static void CheckEnd(ScoringOptions options) => UsageException.ThrowIf(options.EarlyEnd == EarlyEnd.Always,
        "recogniser.early_end `always`: Whisper.net hears every transcript to its end; leave it at `auto`, or take `never`");

    private static WhisperVocabulary Vocabulary(GgmlModel model)
    {
        var tokens = model.Header is { VocabularySize: 51865 or 51866 } header
            ? WhisperTokens.Standard(header.VocabularySize)
            : throw new ModelFileException(
                model.Path, "n_vocab", $"{model.Header.VocabularySize}, expected 51865 or 51866: a multilingual model (English-only ones have no prompt)");
        return new WhisperVocabulary(ByteLevelBpe.FromTiktoken(Ranks(model.Header.Tokens, tokens.EndOfText), model.Path), tokens, model.Header.VocabularySize);
    }

    /// <summary>The tokens as a file of ranks: Whisper's ids are the ranks of its merges.</summary>
    private static byte[] Ranks(IReadOnlyList<byte[]> tokens, int count)
    {
        StringBuilder ranks = new();
        for (var id = 0; id < Math.Min(count, tokens.Count); id++)
        {
            ranks.Append(tokens[id].Length == 0 ? "=" : Convert.ToBase64String(tokens[id])).Append(' ').Append(id.ToString(CultureInfo.InvariantCulture)).Append('\n');
        }

        return Encoding.ASCII.GetBytes(ranks.ToString());
    }

    private readonly record struct Transcription(int Drawn, double LogProb);
}
