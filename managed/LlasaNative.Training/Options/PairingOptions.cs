namespace LlasaNative.Training;

/// <summary>How samples of a text become pairs.</summary>
/// <param name="Rule">Which of two is the better.</param>
/// <param name="Margin">By how much it must be: of reward, of CER, or of distance from the wanted prosody, in natural logarithms.</param>
/// <param name="PerText">Most pairs of a text: the best with the worst, the second best with the second worst, and so on.</param>
/// <param name="LengthBand">The longer of two may have so many times the codes of the shorter; 0 = any.</param>
/// <param name="Across">Whether the two must be of different policies.</param>
/// <param name="Semitones">Wanted spread of pitch, in semitones, of <see cref="PairRule.Lively"/>.</param>
/// <param name="Rate">Wanted characters per second, of <see cref="PairRule.Lively"/>.</param>
/// <param name="Seed">Decides which pairs are drawn by chance, and which of them comes first.</param>
public sealed record PairingOptions(
    PairRule Rule, double Margin, int PerText = 1, double LengthBand = 0, bool Across = false, double Semitones = double.NaN,
    double Rate = double.NaN, ulong Seed = 0);
