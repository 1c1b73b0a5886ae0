namespace LlasaNative.Training;

/// <summary>What became of the groups of a step.</summary>
/// <param name="Rounds">Rounds of drawing.</param>
/// <param name="Redrawn">Groups that were thrown away for want of variance and drawn again from other texts.</param>
/// <param name="Flat">Groups without variance among those that are left.</param>
/// <param name="Tokens">Tokens drawn, those of discarded groups included.</param>
internal sealed record GroupCounts(int Rounds, int Redrawn, int Flat, long Tokens);
