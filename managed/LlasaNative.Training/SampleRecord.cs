namespace LlasaNative.Training;

/// <summary>One drawn sample and how it was judged.</summary>
public sealed record SampleRecord
{
    /// <summary>What should be said.</summary>
    public required string Text { get; init; }

    /// <summary>Name of the voice that it goes on in; null when it has none.</summary>
    public string? Voice { get; init; }

    /// <summary>What the recogniser heard.</summary>
    public required string Transcript { get; init; }

    /// <summary>Speech codes drawn.</summary>
    public required IReadOnlyList<int> Codes { get; init; }

    /// <summary>Whether it ended by itself.</summary>
    public required bool Ended { get; init; }

    /// <summary>How it was judged.</summary>
    public required Judgement Judgement { get; init; }

    /// <summary>Its advantage over its group; 0 when it took no part.</summary>
    public double Advantage { get; init; }

    /// <summary>What the second ear heard; null when there is none.</summary>
    public SecondTranscript? Second { get; init; }

    /// <summary>How it was said; null when that was not measured.</summary>
    public Prosody? Prosody { get; init; }

    /// <summary>Its sound at 16 kHz, when that was wanted.</summary>
    public float[]? Sound { get; init; }
}
