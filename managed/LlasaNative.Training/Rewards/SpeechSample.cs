namespace LlasaNative.Rewards;

/// <summary>What is known about one generated sample.</summary>
/// <remarks><b>Threads:</b> immutable; the codes must not change while it is judged.</remarks>
public sealed record SpeechSample
{
    /// <summary>The text that should be heard.</summary>
    public required string Reference { get; init; }

    /// <summary>The text that the recogniser heard.</summary>
    public required string Transcript { get; init; }

    /// <summary>Mean negative log-likelihood of the reference under the recogniser, in nats per token.</summary>
    public required double Nll { get; init; }

    /// <summary>Whether the sample ended by itself, rather than at the length cap.</summary>
    public bool Ended { get; init; } = true;

    /// <summary>Its speech codes; null when unknown, which skips the guards that need them.</summary>
    public ReadOnlyMemory<int>? Codes { get; init; }

    /// <summary>Length of the waveform in seconds; null when unknown.</summary>
    public double? Seconds { get; init; }

    /// <summary>Root mean square of the waveform, full scale is 1; null when unknown.</summary>
    public double? Rms { get; init; }

    /// <summary>Its sound, mono, full scale is 1; null when nobody asked for it.</summary>
    public ReadOnlyMemory<float>? Sound { get; init; }

    /// <summary>The sound of the voice that it is to be said in, as the codec gives it; null without one, or when nobody asked for sounds.</summary>
    public ReadOnlyMemory<float>? VoiceSound { get; init; }

    /// <summary>Samples per second of <see cref="Sound"/> and <see cref="VoiceSound"/>.</summary>
    public int SampleRate { get; init; } = 16_000;

    /// <summary>Whether the sound is longer than the recogniser's window, which alone <see cref="Nll"/> is of.</summary>
    public bool BeyondWindow { get; init; }

    /// <summary>Its melody, pauses and speed; null when no component asked for them.</summary>
    public Prosody? Prosody { get; init; }

    /// <summary>The recogniser's probability that there is no speech; null when it gives none.</summary>
    public double? NoSpeechProbability { get; init; }
}
