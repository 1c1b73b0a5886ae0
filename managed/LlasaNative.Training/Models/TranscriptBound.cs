namespace LlasaNative.Models;

/// <summary>From where on a transcript is so much longer than its text that going on changes nothing.</summary>
/// <param name="SaturatedCer">CER from which on its utility is 0; more than 0.</param>
/// <param name="Normalization">What happens to both texts before they are compared; not <see cref="TextNormalization.Auto"/>.</param>
/// <remarks>
/// <para>
/// Turning a text of n characters into one of t takes at least t − n edits, so the CER is at least (t − n) / n, and (1 + s)·n
/// characters mean a CER of s or more. A transcript only grows, so there it may end. A transcript that repeats itself may end with
/// (1 + s/3)·n: going on it would get there.
/// </para>
/// <para><b>Threads:</b> immutable, any thread.</para>
/// </remarks>
public sealed record TranscriptBound(double SaturatedCer, TextNormalization Normalization)
{
    /// <summary>Share of the saturated CER with which a transcript that repeats itself may end.</summary>
    public const double LoopShare = 1.0 / 3;

    /// <summary>Characters that are a share of the saturated CER.</summary>
    /// <param name="text">What should be said.</param>
    /// <param name="share">1, or <see cref="LoopShare"/>.</param>
    public long Characters(string text, double share)
    {
        var count = CharacterErrorRate.Length(RewardModel.Compared(Normalization, text, "").Reference);
        return (long)Math.Ceiling(Math.Min((1 + (share * SaturatedCer)) * Math.Max(count, 1), int.MaxValue));
    }

    /// <summary>Whether a transcript, as it is compared, is as much longer than its text as its letters and digits suggested.</summary>
    /// <param name="text">What should be said.</param>
    /// <param name="transcript">What was heard before it was ended.</param>
    /// <param name="share">As above.</param>
    /// <remarks>Number words become digits and leading zeros fall away: a transcript of those is shorter than it looks.</remarks>
    public bool Holds(string text, string transcript, double share) =>
        CharacterErrorRate.Length(RewardModel.Compared(Normalization, text, transcript).Transcript) >= Characters(text, share);
}
