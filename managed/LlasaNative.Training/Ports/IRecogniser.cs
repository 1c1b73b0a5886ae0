using System.Diagnostics;

namespace LlasaNative.Training;

/// <summary>Hears what is said in a sound, and how likely a given text is.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it.</remarks>
public interface IRecogniser : IDisposable
{
    /// <summary>Clips it listens to at once.</summary>
    int BatchSize { get; }

    /// <summary>Samples of a window of sound, which alone likelihood, language and silence are of.</summary>
    int WindowSamples { get; }

    /// <summary>The same weights, listening in another way.</summary>
    /// <param name="options">How it listens.</param>
    /// <returns>Shares the thread and the lifetime of this one; disposing it as well does no harm.</returns>
    /// <exception cref="UsageException">The model cannot listen in this way.</exception>
    IRecogniser ListenAs(ScoringOptions options);

    /// <summary>Refuses a text whose likelihood cannot be measured.</summary>
    /// <param name="text">Any text.</param>
    /// <exception cref="UsageException">It is longer than the model allows.</exception>
    void CheckText(string text);

    /// <summary>⑥ Transcript, likelihood of the text, no-speech and language of sounds.</summary>
    /// <param name="sounds">Clips of 16 kHz.</param>
    /// <param name="texts">What each should say; empty = transcripts only.</param>
    /// <param name="cancellation">Honoured between batches.</param>
    /// <returns>One per clip.</returns>
    SpeechScore[] Score(ISounds sounds, IReadOnlyList<string> texts, CancellationToken cancellation);

    /// <summary>⑤ ⑥ The same of codes. An engine that has codec and recogniser on one device need not carry the sounds about.</summary>
    /// <param name="codec">Makes the sounds.</param>
    /// <param name="codes">Codes of at most <see cref="BatchSize"/> clips; a clip may be empty.</param>
    /// <param name="texts">As for sounds.</param>
    /// <param name="cancellation">Honoured between batches.</param>
    /// <returns>The sounds, which are to be disposed, one score per clip, and the seconds until there was sound.</returns>
    (ISounds Sounds, SpeechScore[] Scores, double CodecSeconds) Score(ISpeechCodec codec, IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, CancellationToken cancellation) =>
        ByTheirSounds(this, codec, codes, texts, cancellation);

    /// <summary>Codes by way of their sounds.</summary>
    /// <param name="recogniser">Who listens.</param>
    /// <param name="codec">Makes the sounds.</param>
    /// <param name="codes">Codes of some clips.</param>
    /// <param name="texts">What each should say; empty = transcripts only.</param>
    /// <param name="cancellation">Honoured between batches.</param>
    /// <returns>As <see cref="Score(ISpeechCodec, IReadOnlyList{int[]}, IReadOnlyList{string}, CancellationToken)"/>.</returns>
    protected static (ISounds Sounds, SpeechScore[] Scores, double CodecSeconds) ByTheirSounds(
        IRecogniser recogniser, ISpeechCodec codec, IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recogniser);
        ArgumentNullException.ThrowIfNull(codec);
        var start = Stopwatch.GetTimestamp();
        var sounds = codec.Decode(codes);
        try
        {
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            return (sounds, recogniser.Score(sounds, texts, cancellation), seconds);
        }
        catch
        {
            sounds.Dispose();
            throw;
        }
    }
}
