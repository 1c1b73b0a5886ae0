using System.Collections.Concurrent;
using System.Diagnostics;
using LlasaNative.Training;

namespace LlasaNative.Recognition;

/// <summary>A codec and a recogniser in this process.</summary>
/// <remarks>
/// <b>Threads:</b> any; one listens at a time, the others wait. <b>Lifetime:</b> disposing it disposes both models, after
/// whoever is listening.
/// </remarks>
/// <example>
/// <code>
/// using LocalRecognition recognition = NativeEngine.LoadRecognition(new ModelOptions { Codec = "xcodec2", Recogniser = "whisper" }, new ScoringOptions());
/// RecognisedChunk recognised = await recognition.RecogniseAsync([[17, 4, 9]], ["hello"], RecognitionExtras.None, CancellationToken.None);
/// </code>
/// </example>
public sealed class LocalRecognition : IRecognition
{
    private readonly SemaphoreSlim _gate = new(1);
    private readonly Lock _recognising = new();
    private readonly ConcurrentBag<PitchTracker> _trackers = [];   // that nobody uses now
    private readonly ParallelOptions _parallel;
    private bool _disposed;

    /// <summary>Brings the two together.</summary>
    /// <param name="name">Who listens, for messages.</param>
    /// <param name="batchSize">Samples it is given together.</param>
    /// <param name="codec">Turns codes into sound; disposed with this.</param>
    /// <param name="recogniser">Listens; disposed with this.</param>
    /// <param name="worksBesidePolicy">Whether listening while others are drawn gains time.</param>
    /// <param name="threads">That measure sounds at once, at least 1; what they find does not depend on it.</param>
    public LocalRecognition(string name, int batchSize, ISpeechCodec codec, IRecogniser recogniser, bool worksBesidePolicy, int threads = 1)
    {
        ArgumentNullException.ThrowIfNull(codec);
        ArgumentNullException.ThrowIfNull(recogniser);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        (Name, BatchSize, Codec, Recogniser, WorksBesidePolicy) = (name, batchSize, codec, recogniser, worksBesidePolicy);
        _parallel = new ParallelOptions { MaxDegreeOfParallelism = threads };
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
    public async Task<RecognisedChunk> RecogniseAsync(IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IReadOnlyList<int>? leads = null)
    {
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(texts);
        await _gate.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => Recognise(codes, texts, extras, cancellation, leads: leads), cancellation).ConfigureAwait(false);
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
    /// <param name="leads">As for <see cref="RecogniseAsync"/>.</param>
    public RecognisedChunk Recognise(
        IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IRecogniser? recogniser = null, IReadOnlyList<int>? leads = null)
    {
        lock (_recognising)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // No more sound is held than the recogniser takes at once, and between two such pieces one can give up.
            var batch = (recogniser ?? Recogniser).BatchSize;
            List<RecognisedChunk> recognised = [];
            for (var first = 0; first < codes.Count; first += batch)
            {
                cancellation.ThrowIfCancellationRequested();
                var start = Stopwatch.GetTimestamp();
                int[][] clips = [.. codes.Skip(first).Take(batch)];
                var (waves, scores, vocoding) = Score(recogniser ?? Recogniser, clips, [.. texts.Skip(first).Take(batch)], [.. leads?.Skip(first).Take(batch) ?? []], cancellation);
                using var sounds = waves;
                var recognising = Stopwatch.GetElapsedTime(start).TotalSeconds - vocoding;
                recognised.Add(Describe(waves, scores, extras, vocoding, recognising));
            }

            return RecognisedChunk.Join(recognised);
        }
    }

    /// <summary>Listens to sounds on the calling thread, once nobody else does.</summary>
    /// <param name="waves">The sounds, 16 kHz.</param>
    /// <param name="texts">What each should say.</param>
    /// <param name="extras">What else is wanted of each.</param>
    /// <param name="cancellation">Honoured between batches of the recogniser.</param>
    /// <param name="recogniser">As for codes.</param>
    public RecognisedChunk Recognise(ISounds waves, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IRecogniser? recogniser = null)
    {
        ArgumentNullException.ThrowIfNull(waves);
        lock (_recognising)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var start = Stopwatch.GetTimestamp();
            var scores = (recogniser ?? Recogniser).Score(waves, texts, cancellation);
            return Describe(waves, scores, extras, 0, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_recognising)
        {
            if (!_disposed)
            {
                _disposed = true;
                Recogniser.Dispose();
                Codec.Dispose();
            }
        }
    }

    private (ISounds Sounds, SpeechScore[] Scores, double CodecSeconds) Score(IRecogniser recogniser, int[][] clips, string[] texts, int[] leads, CancellationToken cancellation)
    {
        if (leads.All(lead => lead == 0))
        {
            return recogniser.Score(Codec, clips, texts, cancellation);
        }

        var start = Stopwatch.GetTimestamp();
        CutSounds sounds = new(Codec.Decode(clips), [.. leads.Select(lead => lead * Codec.SamplesPerCode)]);
        try
        {
            var vocoding = Stopwatch.GetElapsedTime(start).TotalSeconds;
            return (sounds, recogniser.Score(sounds, texts, cancellation), vocoding);
        }
        catch
        {
            sounds.Dispose();
            throw;
        }
    }

    private RecognisedChunk Describe(ISounds waves, SpeechScore[] scores, RecognitionExtras extras, double vocoding, double recognising)
    {
        var start = Stopwatch.GetTimestamp();
        var recognised = new RecognisedSample[scores.Length];
        Parallel.For(0, scores.Length, _parallel, () => _trackers.TryTake(out var tracker) ? tracker : new PitchTracker(), (i, _, tracker) =>
        {
            recognised[i] = Describe(scores[i], waves[i], waves.SampleRate, extras, tracker);
            return tracker;
        }, _trackers.Add);
        if (extras.HasFlag(RecognitionExtras.Sound) && waves is CutSounds cut)
        {
            recognised = [.. recognised.Select((r, i) => cut.Lead(i) is { IsEmpty: false } voice ? r with { VoiceSound = voice.ToArray() } : r)];
        }

        var measuring = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new RecognisedChunk(recognised, vocoding, recognising, extras.HasFlag(RecognitionExtras.Prosody) ? measuring : 0);
    }

    private static RecognisedSample Describe(SpeechScore score, ReadOnlySpan<float> sound, int sampleRate, RecognitionExtras extras, PitchTracker tracker)
    {
        var recognised = RecognisedSample.Of(score, sound, sampleRate, extras.HasFlag(RecognitionExtras.Sound));
        return extras.HasFlag(RecognitionExtras.Prosody) ? recognised with { Prosody = Prosody.Measure(sound, sampleRate, tracker) } : recognised;
    }
}
