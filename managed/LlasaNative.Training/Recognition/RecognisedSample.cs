namespace LlasaNative.Recognition;

/// <summary>What came of listening to one sample: everything its reward is made of besides its codes.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record RecognisedSample
{
    /// <summary>Samples per second of the sounds that are listened to.</summary>
    public const int SampleRate = ScoringOptions.SampleRate;

    /// <summary>What the recogniser heard; its numbers are NaN when nobody listened.</summary>
    public required SpeechScore Score { get; init; }

    /// <summary>Length of the sound in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>Root mean square of the sound, full scale is 1; 0 for an empty one.</summary>
    public required double Rms { get; init; }

    /// <summary>The sound at 16 kHz, when that was wanted.</summary>
    public float[]? Sound { get; init; }

    /// <summary>The voice prompt's sound at 16 kHz, as the codec gives it, where there is one and sounds were wanted.</summary>
    public float[]? VoiceSound { get; init; }

    /// <summary>How it was said, when that was wanted.</summary>
    public Prosody? Prosody { get; init; }

    /// <summary>Why nobody could listen; null when somebody did. Such a sample must not get a reward.</summary>
    public string? Failure { get; init; }

    /// <summary>Brings together a score and what is measured on the sound itself.</summary>
    /// <param name="score">What was heard.</param>
    /// <param name="sound">Mono samples.</param>
    /// <param name="sampleRate">Samples per second.</param>
    /// <param name="keepSound">Whether the sound is kept.</param>
    public static RecognisedSample Of(SpeechScore score, ReadOnlySpan<float> sound, int sampleRate, bool keepSound = false) => new()
    {
        Score = score,
        Seconds = (double)sound.Length / sampleRate,
        Rms = SoundLevel.RootMeanSquare(sound),
        Sound = keepSound ? sound.ToArray() : null,
    };

    /// <summary>A sample nobody could listen to.</summary>
    /// <param name="failure">Why.</param>
    public static RecognisedSample Failed(string failure) => new()
    {
        Score = new SpeechScore("", double.NaN, double.NaN, double.NaN),
        Seconds = double.NaN,
        Rms = double.NaN,
        Failure = failure,
    };
}
