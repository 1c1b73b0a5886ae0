using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using LlasaNative.Models;

namespace LlasaNative.Listening.Wire;

/// <summary>What was heard in one sample; numbers are written so that they are read back to the same bits.</summary>
public sealed record SampleResult
{
    /// <summary>What the recogniser heard.</summary>
    public required string Transcript { get; init; }

    /// <summary>Mean negative log-likelihood of the text in nats per token; null when it is not a number.</summary>
    public required double? Nll { get; init; }

    /// <summary>Mean log-prob of the transcript's own tokens; null when it is not a number.</summary>
    public required double? MeanLogProb { get; init; }

    /// <summary>Probability that there is no speech, 0 to 1; null when it is not a number.</summary>
    public required double? NoSpeechProb { get; init; }

    /// <summary>Length of the sound in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>Root mean square of the sound, full scale is 1; null when it is not a number.</summary>
    public required double? Rms { get; init; }

    /// <summary>Whether the sound is longer than the recogniser's window, which alone the likelihood is of.</summary>
    public bool BeyondWindow { get; init; }

    /// <summary>Whether the transcript was ended where <see cref="ScoringRequest.SaturatedCer"/> allows it.</summary>
    public bool EndedEarly { get; init; }

    /// <summary>The sound, 16 kHz mono, little-endian float32 in base64; absent unless it was asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public byte[]? Sound { get; init; }

    /// <summary>How it was said; absent unless it was asked for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ProsodyResult? Prosody { get; init; }

    /// <summary>The wire form of a hearing.</summary>
    /// <param name="hearing">A hearing that did not fail.</param>
    public static SampleResult From(Hearing hearing)
    {
        ArgumentNullException.ThrowIfNull(hearing);
        return new SampleResult
        {
            Transcript = hearing.Score.Transcript,
            Nll = Number(hearing.Score.Nll),
            MeanLogProb = Number(hearing.Score.MeanLogProb),
            NoSpeechProb = Number(hearing.Score.NoSpeechProb),
            Seconds = hearing.Seconds,
            Rms = Number(hearing.Rms),
            BeyondWindow = hearing.Score.BeyondWindow,
            EndedEarly = hearing.Score.EndedEarly,
            Sound = hearing.Sound is { } sound ? MemoryMarshal.AsBytes(sound.AsSpan()).ToArray() : null,
            Prosody = hearing.Prosody is { } prosody ? ProsodyResult.From(prosody) : null,
        };
    }

    /// <summary>The hearing of the wire form.</summary>
    /// <exception cref="FormatException">A number is outside its range; infinite ones are, although JSON can hold them (1e999).</exception>
    public Hearing ToHearing()
    {
        Check(Nll is null or (>= 0 and <= double.MaxValue), "nll", Nll);
        Check(MeanLogProb is null or (<= 0 and >= double.MinValue), "mean_log_prob", MeanLogProb);
        Check(NoSpeechProb is null or (>= 0 and <= 1), "no_speech_prob", NoSpeechProb);
        Check(Seconds is >= 0 and <= double.MaxValue, "seconds", Seconds);
        Check(Rms is null or (>= 0 and <= double.MaxValue), "rms", Rms);
        Check(Sound is null || Sound.Length % sizeof(float) == 0, "sound", Sound?.Length);
        return new Hearing
        {
            Score = new SpeechScore(Transcript, Nll ?? double.NaN, MeanLogProb ?? double.NaN, NoSpeechProb ?? double.NaN) { BeyondWindow = BeyondWindow, EndedEarly = EndedEarly },
            Seconds = Seconds,
            Rms = Rms ?? double.NaN,
            Sound = Sound is null ? null : MemoryMarshal.Cast<byte, float>(Sound).ToArray(),
            Prosody = Prosody?.ToProsody(Seconds),
        };
    }

    internal static double? Number(double value) => double.IsFinite(value) ? value : null;

    internal static void Check(bool holds, string name, double? value)
    {
        if (!holds)
        {
            throw new FormatException(FormattableString.Invariant($"`{name}` is {value}"));
        }
    }
}
