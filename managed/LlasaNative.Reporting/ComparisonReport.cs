namespace LlasaNative.Reporting;

/// <summary>What <c>llasa compare</c> measured: the content of its files.</summary>
/// <param name="Before">Name of the first system.</param>
/// <param name="After">Name of the second system.</param>
/// <param name="Texts">Texts spoken.</param>
/// <param name="SamplesPerText">Samples of each text.</param>
/// <param name="Seed">Seed of the samples and the resamples.</param>
/// <param name="SecondEar">Name of the second ear; null when there was none.</param>
/// <param name="Measures">Every measure with its intervals.</param>
/// <param name="Pairs">Texts to listen to.</param>
public sealed record ComparisonReport(
    string Before, string After, int Texts, int SamplesPerText, long Seed, string? SecondEar, IReadOnlyList<ComparedMeasure> Measures,
    IReadOnlyList<DemoPair> Pairs);
