namespace LlasaNative.Training;

/// <summary>One measure of a comparison.</summary>
/// <param name="Key">Name in files, for example <c>cer</c>.</param>
/// <param name="Title">Name for people.</param>
/// <param name="Unit">Unit; empty for shares and plain numbers.</param>
/// <param name="Estimate">Both systems and their difference, with intervals.</param>
/// <param name="Samples">Samples that say something about it, before and after: fewer than all for pitch, where some have no voiced frame.</param>
public sealed record ComparedMeasure(string Key, string Title, string Unit, PairedEstimate Estimate, (int Before, int After) Samples);
