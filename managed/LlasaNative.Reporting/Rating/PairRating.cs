namespace LlasaNative.Reporting.Rating;

/// <summary>One judgement of a pair by somebody who listened.</summary>
/// <param name="Pair">Its row in the file of pairs, from 0.</param>
/// <param name="Rater">Who listened.</param>
/// <param name="Choice">What they found; never by where a sample stood on the page.</param>
/// <param name="IsRepeat">Whether they had judged the pair before, and hear it again to be held against themselves.</param>
/// <param name="Swapped">Whether the second sample stood on the left.</param>
/// <param name="Seconds">How long they took.</param>
/// <param name="At">When.</param>
public sealed record PairRating(int Pair, string Rater, RatingChoice Choice, bool IsRepeat, bool Swapped, double Seconds, DateTimeOffset At);
