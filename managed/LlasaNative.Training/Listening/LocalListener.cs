using System.Diagnostics;
using LlasaNative.Audio;
using LlasaNative.Models;
using LlasaNative.Training;

namespace LlasaNative.Listening;

/// <summary>A codec and a recogniser in this process.</summary>
/// <remarks>
/// <b>Threads:</b> any; one listens at a time, the others wait. <b>Lifetime:</b> disposing it disposes both models, after
/// whoever is listening.
/// </remarks>
/// <example>
/// <code>
/// using LocalListener listener = NativeEngine.LoadListener(new ModelOptions { Codec = "xcodec2", Recogniser = "whisper" }, new ScoringOptions());
/// HeardChunk heard = await listener.ListenAsync([[17, 4, 9]], ["hello"], HearingExtras.None, CancellationToken.None);
/// </code>
/// </example>
public sealed class LocalListener : IListener
{
    private readonly SemaphoreSlim _gate = new(1);
    private readonly Lock _listening = new();
    private readonly PitchTracker _tracker = new();
    private bool _disposed;

    /// <summary>Brings the two together.</summary>
    /// <param name="name">Who listens, for messages.</param>
    /// <param name="batchSize">Samples it is given together.</param>
    /// <param name="codec">Turns codes into sound; disposed with this.</param>
    /// <param name="recogniser">Listens; disposed with this.</param>
    /// <param name="worksBesidePolicy">Whether listening while others are drawn gains time.</param>
    public LocalListener(string name, int batchSize, ISpeechCodec codec, IRecogniser recogniser, bool worksBesidePolicy)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(recogniser);
        (Name, BatchSize, Codec, Recogniser, WorksBesidePolicy) = (name, batchSize, codec, recogniser, worksBesidePolicy);
    }

    /// <summary>Turns codes into sound. Not to be used while somebody listens.</summary>
    public ISpeechCodec Codec { get; }

    /// <summary>Listens. Not to be used while somebody listens.</summary>
    public IRecogniser Recogniser { get; }

    /// <inheritdoc/>
    public bool WorksBesidePolicy { get; }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int BatchSize { get; }

    /// <inheritdoc/>
    public int CodeCount => Codec.CodeCount;

    /// <inheritdoc/>
    public void Announce(IReadOnlyCollection<string> texts)
    {
        // Checking is a matter of microseconds.
    }

    /// <inheritdoc/>
    public void CheckText(string text) => Recogniser.CheckText(text);

    /// <inheritdoc/>
    public async Task<HeardChunk> ListenAsync(IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, HearingExtras extras, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(texts);
        await _gate.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => Listen(codes, texts, extras, cancellation), cancellation).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Listens to codes on the calling thread, once nobody else does.</summary>
    /// <param name="codes">Speech codes of each sample.</param>
    /// <param name="texts">What each should say.</param>
    /// <param name="extras">What else is wanted of each.</param>
    /// <param name="cancellation">Honoured between batches of the recogniser, whose sound is made one after the other too.</param>
    /// <param name="recogniser">The recogniser or another way of listening made of it; null for the recogniser.</param>
    public HeardChunk Listen(
        IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, HearingExtras extras, CancellationToken cancellation, IRecogniser? recogniser = null)
    {
        lock (_listening)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // No more sound is held than the recogniser takes at once, and between two such pieces one can give up.
            var batch = (recogniser ?? Recogniser).BatchSize;
            List<HeardChunk> heard = [];
            for (var first = 0; first < codes.Count; first += batch)
            {
                cancellation.ThrowIfCancellationRequested();
                var start = Stopwatch.GetTimestamp();
                int[][] clips = [.. codes.Skip(first).Take(batch)];
                var (waves, scores, vocoding) = (recogniser ?? Recogniser).Score(Codec, clips, [.. texts.Skip(first).Take(batch)], cancellation);
                using var sounds = waves;
                var recognising = Stopwatch.GetElapsedTime(start).TotalSeconds - vocoding;
                heard.Add(Hear(waves, scores, extras, vocoding, recognising));
            }

            return new HeardChunk(
                [.. heard.SelectMany(h => h.Hearings)], heard.Sum(h => h.VocodeSeconds), heard.Sum(h => h.RecogniseSeconds), heard.Sum(h => h.ProsodySeconds));
        }
    }

    /// <summary>Listens to sounds on the calling thread, once nobody else does.</summary>
    /// <param name="waves">The sounds, 16 kHz.</param>
    /// <param name="texts">What each should say.</param>
    /// <param name="extras">What else is wanted of each.</param>
    /// <param name="cancellation">Honoured between batches of the recogniser.</param>
    /// <param name="recogniser">As for codes.</param>
    public HeardChunk Listen(ISounds waves, IReadOnlyList<string> texts, HearingExtras extras, CancellationToken cancellation, IRecogniser? recogniser = null)
    {
        ArgumentNullException.ThrowIfNull(waves);
        lock (_listening)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var start = Stopwatch.GetTimestamp();
            var scores = (recogniser ?? Recogniser).Score(waves, texts, cancellation);
            return Hear(waves, scores, extras, 0, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_listening)
        {
            if (!_disposed)
            {
                _disposed = true;
                Recogniser.Dispose();
                Codec.Dispose();
            }
        }
    }

    private HeardChunk Hear(ISounds waves, SpeechScore[] scores, HearingExtras extras, double vocoding, double recognising)
    {
        var start = Stopwatch.GetTimestamp();
        Hearing[] hearings = [.. scores.Select((score, i) => Hear(score, waves[i], waves.SampleRate, extras))];
        var measuring = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new HeardChunk(hearings, vocoding, recognising, extras.HasFlag(HearingExtras.Prosody) ? measuring : 0);
    }

    private Hearing Hear(SpeechScore score, ReadOnlySpan<float> sound, int sampleRate, HearingExtras extras)
    {
        var hearing = Hearing.Of(score, sound, sampleRate, extras.HasFlag(HearingExtras.Sound));
        return extras.HasFlag(HearingExtras.Prosody) ? hearing with { Prosody = Prosody.Measure(sound, sampleRate, _tracker) } : hearing;
    }
}
