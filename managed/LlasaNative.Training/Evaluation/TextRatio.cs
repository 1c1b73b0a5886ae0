namespace LlasaNative.Training;

/// <summary>What one text adds to a measure: edits over characters, or a sum over samples and their number.</summary>
/// <param name="Numerator">Finite.</param>
/// <param name="Denominator">At least 0; 0 = the text says nothing.</param>
public readonly record struct TextRatio(double Numerator, double Denominator);
