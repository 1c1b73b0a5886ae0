namespace LlasaNative.Recognition;

/// <summary>What came of listening to one sample: everything its reward is made of besides its codes.</summary>
/// <param name="Score">What the recogniser heard; its numbers are NaN when nobody listened.</param>
/// <param name="Seconds">Length of the sound in seconds.</param>
/// <param name="Rms">Root mean square of the sound, full scale is 1; 0 for an empty one.</param>
/// <param name="Sound">The sound at 16 kHz, when that was wanted.</param>
/// <param name="VoiceSound">The voice prompt's sound at 16 kHz, as the codec gives it, where there is one and sounds were wanted.</param>
/// <param name="Prosody">How it was said, when that was wanted.</param>
/// <param name="Failure">Why nobody could listen; null when somebody did. Such a sample must not get a reward.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record RecognisedSample(
    SpeechScore Score, double Seconds, double Rms, float[]? Sound = null, float[]? VoiceSound = null, Prosody? Prosody = null, string? Failure = null)
{
    /// <summary>Samples per second of the sounds that are listened to.</summary>
    public const int SampleRate = ScoringOptions.SampleRate;

    /// <summary>Brings together a score and what is measured on the sound itself.</summary>
    /// <param name="score">What was heard.</param>
    /// <param name="sound">Mono samples.</param>
    /// <param name="sampleRate">Samples per second.</param>
    /// <param name="keepSound">Whether the sound is kept.</param>
    public static RecognisedSample Of(SpeechScore score, ReadOnlySpan<float> sound, int sampleRate, bool keepSound = false) =>
        new(score, (double)sound.Length / sampleRate, SoundLevel.RootMeanSquare(sound), keepSound ? sound.ToArray() : null);

    /// <summary>A sample nobody could listen to.</summary>
    /// <param name="failure">Why.</param>
    public static RecognisedSample Failed(string failure) =>
        new(new SpeechScore("", double.NaN, double.NaN, double.NaN), double.NaN, double.NaN, Failure: failure);
}
