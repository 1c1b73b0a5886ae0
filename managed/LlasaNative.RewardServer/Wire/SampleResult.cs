using System.Runtime.InteropServices;

namespace LlasaNative.Recognition.Wire;

/// <summary>What was heard in one sample; numbers are written so that they are read back to the same bits.</summary>
/// <param name="Transcript">What the recogniser heard.</param>
/// <param name="Nll">Mean negative log-likelihood of the text in nats per token; null when it is not a number.</param>
/// <param name="MeanLogProb">Mean log-prob of the transcript's own tokens; null when it is not a number.</param>
/// <param name="NoSpeechProb">Probability that there is no speech, 0 to 1; null when it is not a number.</param>
/// <param name="Seconds">Length of the sound in seconds.</param>
/// <param name="Rms">Root mean square of the sound, full scale is 1; null when it is not a number.</param>
public sealed record SampleResult(string Transcript, double? Nll, double? MeanLogProb, double? NoSpeechProb, double Seconds, double? Rms)
{
    /// <summary>Whether the sound is longer than the recogniser's window, which alone the likelihood is of.</summary>
    public bool BeyondWindow { get; init; }

    /// <summary>Whether the transcript was ended where <see cref="ScoringRequest.SaturatedCer"/> allows it.</summary>
    public bool EndedEarly { get; init; }

    /// <summary>The sound, 16 kHz mono, little-endian float32 in base64; absent unless it was asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public byte[]? Sound { get; init; }

    /// <summary>The sound of the codes before the sample's own, in the same form; absent where there are none, or unless sounds were asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public byte[]? VoiceSound { get; init; }

    /// <summary>How it was said; absent unless it was asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ProsodyResult? Prosody { get; init; }

    /// <summary>The wire form of a recognised sample.</summary>
    /// <param name="recognised">A sample whose recognition did not fail.</param>
    public static SampleResult From(RecognisedSample recognised)
    {
        ArgumentNullException.ThrowIfNull(recognised);
        var score = recognised.Score;
        return new SampleResult(
            score.Transcript, Number(score.Nll), Number(score.MeanLogProb), Number(score.NoSpeechProb), recognised.Seconds, Number(recognised.Rms))
        {
            BeyondWindow = score.BeyondWindow,
            EndedEarly = score.EndedEarly,
            Sound = Bytes(recognised.Sound),
            VoiceSound = Bytes(recognised.VoiceSound),
            Prosody = recognised.Prosody is { } prosody ? ProsodyResult.From(prosody) : null,
        };
    }

    /// <summary>The recognised sample of the wire form.</summary>
    /// <exception cref="FormatException">A number is outside its range; infinite ones are, although JSON can hold them (1e999).</exception>
    public RecognisedSample ToRecognisedSample()
    {
        Check(Nll is null or (>= 0 and <= double.MaxValue), "nll", Nll);
        Check(MeanLogProb is null or (<= 0 and >= double.MinValue), "mean_log_prob", MeanLogProb);
        Check(NoSpeechProb is null or (>= 0 and <= 1), "no_speech_prob", NoSpeechProb);
        Check(Seconds is >= 0 and <= double.MaxValue, "seconds", Seconds);
        Check(Rms is null or (>= 0 and <= double.MaxValue), "rms", Rms);
        Check(Sound is null || Sound.Length % sizeof(float) == 0, "sound", Sound?.Length);
        Check(VoiceSound is null || VoiceSound.Length % sizeof(float) == 0, "voice_sound", VoiceSound?.Length);
        return new RecognisedSample(
            new SpeechScore(Transcript, Nll ?? double.NaN, MeanLogProb ?? double.NaN, NoSpeechProb ?? double.NaN)
            {
                BeyondWindow = BeyondWindow,
                EndedEarly = EndedEarly,
            },
            Seconds, Rms ?? double.NaN, Floats(Sound), Floats(VoiceSound), Prosody?.ToProsody(Seconds));
    }

    private static byte[]? Bytes(float[]? sound) => sound is null ? null : MemoryMarshal.AsBytes(sound.AsSpan()).ToArray();

    private static float[]? Floats(byte[]? sound) => sound is null ? null : MemoryMarshal.Cast<byte, float>(sound).ToArray();

    internal static double? Number(double value) => double.IsFinite(value) ? value : null;

    internal static void Check(bool holds, string name, double? value)
    {
        if (!holds)
        {
            throw new FormatException(FormattableString.Invariant($"`{name}` is {value}"));
        }
    }
}
