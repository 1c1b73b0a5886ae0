using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>The voices that are served, by name: the sounds of a folder, and those that clients add.</summary>
/// <remarks><b>Threads:</b> any. <b>Lifetime:</b> dispose it.</remarks>
internal sealed partial class VoiceShelf : IDisposable
{
    /// <summary>Name of the voice that is none: whatever the model speaks in.</summary>
    public const string Own = "default";

    private const int Most = 1000;

    private readonly ConcurrentDictionary<string, Utterance> _voices = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _adding = new(1);
    private readonly string _folder;
    private readonly ModelOptions _models;
    private readonly Models.ScoringOptions _scoring;
    private Action<Utterance> _check = _ => { };

    private VoiceShelf(string folder, ModelOptions models, Models.ScoringOptions scoring) => (_folder, _models, _scoring) = (folder, models, scoring);

    /// <summary>Names, ascending, without the model's own.</summary>
    public IReadOnlyList<string> Names => [.. _voices.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Reads a folder.</summary>
    /// <param name="folder">Its path; empty = no voices.</param>
    /// <param name="models">Codec, and the recogniser for what has no text.</param>
    /// <param name="mayBeEmpty">Whether voices may be added to it later.</param>
    /// <exception cref="LlasaException">It cannot be read, or one of its sounds cannot.</exception>
    public static VoiceShelf Load(string folder, ModelOptions models, Models.ScoringOptions scoring, bool mayBeEmpty)
    {
        VoiceShelf shelf = new(folder, models, scoring);
        if (folder.Length == 0)
        {
            return shelf;
        }

        var found = Directory.Exists(folder) ? VoiceReader.Find(folder) : throw new UsageException($"--voices {folder}: no such folder");
        if (found.Count == 0 && !mayBeEmpty)
        {
            throw new UsageException($"--voices {folder}: holds no sound files, which would be the voices");
        }

        using VoiceReader reader = new(() => models, scoring);
        foreach (var voice in found)
        {
            var name = Path.GetFileNameWithoutExtension(voice.Path);
            if (name == Own || !shelf._voices.TryAdd(name, reader.Read(voice)))
            {
                throw new UsageException($"--voices {voice.Path}: there is a voice `{name}` already");
            }
        }

        return shelf;
    }

    /// <summary>Has voices checked: those that there are, and those that are added from now on.</summary>
    /// <param name="check">Throws <see cref="UsageException"/> for a voice that cannot be spoken in.</param>
    /// <exception cref="UsageException">One cannot; the message names it.</exception>
    public void Require(Action<Utterance> check)
    {
        foreach (var (name, voice) in _voices.OrderBy(v => v.Key, StringComparer.Ordinal))
        {
            try
            {
                check(voice);
            }
            catch (UsageException e)
            {
                throw new UsageException($"--voices {_folder}: `{name}`: {e.Message}", e);
            }
        }

        _check = check;
    }

    /// <summary>A voice; null for the model's own.</summary>
    /// <exception cref="ProblemException">There is none of that name.</exception>
    public Utterance? Find(string name) => name == Own ? null : _voices.GetValueOrDefault(name)
        ?? throw OpenAiError.Invalid("voice", $"`voice` is `{name}`, there are {string.Join(", ", Names.Prepend(Own))}");

    /// <summary>Adds a voice to the folder.</summary>
    /// <param name="text">What is said in it; empty = what the recogniser hears.</param>
    /// <param name="cancellation">Ends the waiting for others that are added.</param>
    /// <exception cref="ProblemException">The name is taken or none, or the sound cannot be read.</exception>
    public async Task<Utterance> AddAsync(string name, byte[] sound, string text, CancellationToken cancellation)
    {
        if (!GoodName().IsMatch(name))
        {
            throw OpenAiError.Invalid("name", $"`name` is `{name}`, expected 1 to 64 letters, digits, `-` and `_`");
        }

        await _adding.WaitAsync(cancellation);
        try
        {
            // What was laid into the folder since, or by another server, would be replaced, or stand beside it as a second of its name.
            if (name == Own || _voices.ContainsKey(name) || Directory.GetFiles(_folder).Any(path => SoundFile.IsKnown(path) && Path.GetFileNameWithoutExtension(path) == name))
            {
                throw OpenAiError.Invalid("name", $"there is a voice `{name}` already");
            }

            if (_voices.Count >= Most)
            {
                throw OpenAiError.Invalid(null, $"there are {_voices.Count} voices, more are not taken");
            }

            return _voices[name] = Keep(Path.Combine(_folder, name + ".wav"), sound, text, cancellation);
        }
        finally
        {
            _adding.Release();
        }
    }

    public void Dispose() => _adding.Dispose();

    /// <summary>Writes the sound, then its text, only once it is known that they can be read; what cannot be written is no fault of the client's.</summary>
    private Utterance Keep(string path, byte[] sound, string text, CancellationToken cancellation)
    {
        var temporary = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".wav");
        try
        {
            var audio = Tried("the sound", () => SoundFile.Parse(sound, "the sound", null, SoundPreparation.DefaultMaxSeconds, cancellation: cancellation));
            WaveFile.Write(temporary, audio.Samples.Span, audio.SampleRate);
            var voice = Tried(temporary, () =>
            {
                using VoiceReader reader = new(() => _models, _scoring);
                var read = reader.Read(new VoiceReference(temporary, text.Trim() is { Length: > 0 } said ? said : null));
                _check(read);
                return read;
            });
            AtomicFile.WriteText(Path.ChangeExtension(path, ".txt"), voice.Text + "\n");
            AtomicFile.Write(path, to => File.Copy(temporary, to, overwrite: true));
            return voice;
        }
        finally
        {
            File.Delete(temporary);
        }

        static T Tried<T>(string name, Func<T> work)
        {
            try
            {
                return work();
            }
            catch (LlasaException e)
            {
                throw OpenAiError.Invalid("audio_sample", e.Message.Replace(name, "the sound", StringComparison.Ordinal));
            }
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex GoodName();
}
