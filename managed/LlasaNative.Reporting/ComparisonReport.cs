namespace LlasaNative.Reporting;

/// <summary>What <c>llasa compare</c> measured: the content of its files.</summary>
public sealed record ComparisonReport
{
    /// <summary>Name of the first system.</summary>
    public required string Before { get; init; }

    /// <summary>Name of the second system.</summary>
    public required string After { get; init; }

    /// <summary>Texts spoken.</summary>
    public required int Texts { get; init; }

    /// <summary>Samples of each text.</summary>
    public required int SamplesPerText { get; init; }

    /// <summary>Seed of the samples and the resamples.</summary>
    public required long Seed { get; init; }

    /// <summary>Name of the second ear; null when there was none.</summary>
    public string? SecondEar { get; init; }

    /// <summary>Every measure with its intervals.</summary>
    public required IReadOnlyList<ComparedMeasure> Measures { get; init; }

    /// <summary>Texts to listen to.</summary>
    public required IReadOnlyList<DemoPair> Pairs { get; init; }
}
