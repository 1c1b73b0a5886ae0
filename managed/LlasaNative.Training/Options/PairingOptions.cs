namespace LlasaNative.Training;

/// <summary>How samples of a text become pairs.</summary>
/// <param name="Rule">Which of two is the better.</param>
/// <param name="Margin">By how much it must be: of reward, of CER, or of distance from the wanted prosody, in natural logarithms.</param>
public sealed record PairingOptions(PairRule Rule, double Margin)
{
    /// <summary>Most pairs of a text: the best with the worst, the second best with the second worst, and so on.</summary>
    public int PerText { get; init; } = 1;

    /// <summary>The longer of two may have so many times the codes of the shorter; 0 = any.</summary>
    public double LengthBand { get; init; }

    /// <summary>Whether the two must be of different policies.</summary>
    public bool Across { get; init; }

    /// <summary>Wanted spread of pitch, in semitones, of <see cref="PairRule.Lively"/>.</summary>
    public double Semitones { get; init; } = double.NaN;

    /// <summary>Wanted characters per second, of <see cref="PairRule.Lively"/>.</summary>
    public double Rate { get; init; } = double.NaN;

    /// <summary>Decides which pairs are drawn by chance, and which of them comes first.</summary>
    public ulong Seed { get; init; }
}
