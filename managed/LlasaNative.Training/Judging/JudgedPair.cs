namespace LlasaNative.Judging;

/// <summary>Two samples of a group that a judge was asked about.</summary>
/// <param name="First">Place of the one in its group.</param>
/// <param name="Second">Place of the other.</param>
/// <param name="Verdict">What came of it.</param>
public sealed record JudgedPair(int First, int Second, PairVerdict Verdict)
{
    /// <summary>What the verdict makes of a sample of the group: 1 if it was chosen, -1 if it was rejected, else 0.</summary>
    /// <param name="place">Place of the sample in its group.</param>
    public int Of(int place) => !Verdict.IsPreference || (place != First && place != Second) ? 0 : (place == First) == Verdict.PrefersFirst ? 1 : -1;
}
