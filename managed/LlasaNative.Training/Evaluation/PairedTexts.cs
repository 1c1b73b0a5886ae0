namespace LlasaNative.Training;

/// <summary>A measure on the same texts by two systems.</summary>
/// <param name="Before">Of each text, first system.</param>
/// <param name="After">Of each text, second system.</param>
public sealed record PairedTexts(IReadOnlyList<TextRatio> Before, IReadOnlyList<TextRatio> After);
