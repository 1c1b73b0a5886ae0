namespace LlasaNative.Trainer;

/// <summary>Makes voice prompts of sounds. Codec and recogniser are loaded when the first needs them, and gone when this is disposed.</summary>
internal sealed class VoiceReader(Func<ModelOptions> models, ScoringOptions scoring) : IDisposable
{
    private readonly Lazy<ModelOptions> _models = new(models);
    private readonly Dictionary<VoiceReference, Utterance> _read = [];
    private SpeechCodec? _codec;
    private NativeRecogniser? _recogniser;

    /// <summary>The voice of a sound; what is said in it is recognised where nobody says it.</summary>
    /// <exception cref="LlasaException">The sound cannot be read, or nothing is heard in it.</exception>
    public Utterance Read(VoiceReference voice)
    {
        if (_read.TryGetValue(voice, out var known))
        {
            return known;
        }

        _codec ??= SpeechCodec.Load(_models.Value.Codec, withEncoder: true, _models.Value.ScoringType);
        SoundPreparation preparation = new() { SampleRate = _codec.SampleRate };
        var audio = SoundFile.Read(voice.Path, Places.Note, preparation.MaxSeconds);
        var codes = _codec.Encode(preparation.Apply(audio, voice.Path));
        return _read[voice] = new Utterance(voice.Text ?? Recognise(audio, voice.Path), codes) { Name = Path.GetFileName(voice.Path) };
    }

    /// <summary>The voices of a place: a folder of sounds, each perhaps with a .txt beside it, or a file of codes beside texts; none of an empty one.</summary>
    public IReadOnlyList<Utterance> ReadAll(string place)
    {
        if (place.Length == 0)
        {
            return [];
        }

        if (!Directory.Exists(place))
        {
            return PromptFile.ReadUtterances(DataFiles.Find(place), CodeCount());
        }

        var voices = Find(place);
        return voices.Count == 0 ? throw new UsageException($"{place}: holds no sound files, which would be the voices")
            : [.. voices.Select(Read)];
    }

    /// <summary>The sounds of a folder by name, each with what its .txt says, if there is one.</summary>
    public static IReadOnlyList<VoiceReference> Find(string folder) => [.. Directory.GetFiles(folder).Where(SoundFile.IsKnown)
        .Order(StringComparer.Ordinal).Select(path => new VoiceReference(path, SpokenSource.TextBeside(path) is { Length: > 0 } said ? said : null))];

    public void Dispose()
    {
        _codec?.Dispose();
        _recogniser?.Dispose();
    }

    private int CodeCount()
    {
        using var codec = SpeechCodec.Load(_models.Value.Codec, type: _models.Value.ScoringType);
        return codec.CodeCount;
    }

    private string Recognise(WaveAudio audio, string path)
    {
        _recogniser ??= NativeRecogniser.Load(_models.Value.Recogniser, scoring, _models.Value.ScoringType);
        using WaveBatch waves = new(Resampler.Resample(audio, NativeRecogniser.SampleRate).Samples.Span, NativeRecogniser.SampleRate);
        return _recogniser.Score(waves, [])[0].Transcript is { Length: > 0 } heard ? heard
            : throw new LlasaException($"{path}: nothing is heard in it; say what is said, in the .txt beside it, `voice_text` or --voice-text");
    }
}
