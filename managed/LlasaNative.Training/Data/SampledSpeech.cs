namespace LlasaNative.Data;

/// <summary>A drawn sample with its codes, and what is known of it: what pairs are made of.</summary>
/// <param name="Text">What should be said.</param>
/// <param name="Codes">Speech codes that were drawn.</param>
public sealed record SampledSpeech(string Text, IReadOnlyList<int> Codes)
{
    /// <summary>Who said it, for people.</summary>
    public string Policy { get; init; } = "";

    /// <summary>The voice that it goes on in; null when none was named.</summary>
    public VoiceReference? Voice { get; init; }

    /// <summary>What the recogniser heard.</summary>
    public string Transcript { get; init; } = "";

    /// <summary>Reward, 0 to 1.</summary>
    public double Reward { get; init; } = double.NaN;

    /// <summary>Character error rate.</summary>
    public double Cer { get; init; } = double.NaN;

    /// <summary>Mean negative log-likelihood of the text.</summary>
    public double Nll { get; init; } = double.NaN;

    /// <summary>Whether it ended by itself.</summary>
    public bool Ended { get; init; }

    /// <summary>Standard deviation of the fundamental frequency in semitones; NaN where that is not known.</summary>
    public double F0Semitones { get; init; } = double.NaN;

    /// <summary>Characters per second from the first sound to the last; NaN where that is not known.</summary>
    public double Rate { get; init; } = double.NaN;
}
