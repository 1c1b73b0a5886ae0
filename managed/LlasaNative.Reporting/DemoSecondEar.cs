namespace LlasaNative.Reporting;

/// <summary>What the second ear, which never rewards, heard of the demonstration's held-out sentences.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="Cer">Corpus CER before and after training.</param>
/// <param name="Exact">Share of samples heard without an error.</param>
/// <param name="Difference">CER after less before, with its 95 % interval.</param>
public sealed record DemoSecondEar(string Name, (double Before, double After) Cer, (double Before, double After) Exact, IntervalEstimate Difference);
