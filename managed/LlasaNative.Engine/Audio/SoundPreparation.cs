namespace LlasaNative.Audio;

/// <summary>What is done to a sound before a codec encodes it: resampled, then trimmed, then made as loud as wanted.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record SoundPreparation
{
    /// <summary>The longest sound where nobody says otherwise, in seconds.</summary>
    public const double DefaultMaxSeconds = 60;

    // 40 dB above full scale. Recorders of floats go beyond it by some dB; what is a hundred times as loud was written in other units.
    private const float MostAmplitude = 100;

    // What a listener, and a codec's window, wants around a word.
    private const double Margin = 0.1;

    /// <summary>Samples per second that the codec takes.</summary>
    public required int SampleRate { get; init; }

    /// <summary>Whether silence before and after is cut, but for a tenth of a second.</summary>
    public bool Trim { get; init; }

    /// <summary>Loudness in LUFS; null leaves it as it is.</summary>
    public double? Loudness { get; init; }

    /// <summary>Longest sound, in seconds after trimming; an encoder's memory grows with the square of it.</summary>
    public double MaxSeconds { get; init; } = DefaultMaxSeconds;

    /// <summary>Prepares a sound.</summary>
    /// <param name="audio">The sound.</param>
    /// <param name="name">Name for messages.</param>
    /// <returns>At least one sample.</returns>
    /// <exception cref="ModelFileException">Nothing is left of it, or too much; or its amplitudes are in other units.</exception>
    public float[] Apply(WaveAudio audio, string name)
    {
        // Before anything is computed of it; what is trimmed may become short enough.
        if (!Trim)
        {
            CheckLength(audio.Seconds, name);
        }

        var sound = Resampler.Resample(audio, SampleRate).Samples;
        if (Trim)
        {
            var activity = SpeechActivity.Measure(sound.Span, SampleRate);
            ModelFileException.ThrowIf(activity.End == 0 && sound.Length > 0, name, null, "all of it is silent");
            var first = (int)Math.Max((activity.Start - Margin) * SampleRate, 0);
            sound = sound[first..(int)Math.Clamp((activity.End + Margin) * SampleRate, first, sound.Length)];
        }

        CheckLength((double)sound.Length / SampleRate, name);
        var prepared = sound.Length == 0 ? throw new ModelFileException(name, null, "holds no sound")
            : Loudness is { } target ? Audio.Loudness.Bring(sound.Span, SampleRate, target)
            : sound.ToArray();
        if (SoundLevel.RootMeanSquare(prepared) < SoundLevel.Silence)
        {
            throw new ModelFileException(name, null, "all of it is silent");
        }

        var peak = prepared.Max(MathF.Abs);
        return peak <= MostAmplitude ? prepared : throw new ModelFileException(name, null, string.Create(CultureInfo.InvariantCulture,
            $"has amplitudes up to {peak:G3}, where full scale is 1: another program's units, which a loudness that is asked for would put right"));
    }

    private void CheckLength(double seconds, string name) =>
        ModelFileException.ThrowIf(seconds > MaxSeconds, name, null, $"{seconds:F2} s of sound, at most {MaxSeconds:G} are taken");
}
