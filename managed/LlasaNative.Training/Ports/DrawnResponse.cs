namespace LlasaNative.Training;

/// <summary>One response that was drawn.</summary>
/// <param name="Tokens">Its token ids, the end token included.</param>
/// <param name="LogProbs">Log-prob of each under the policy that drew it.</param>
/// <param name="DrawLogProbs">Log of the probability each was really drawn with, after top-k, top-p and min-p.</param>
/// <param name="Ended">Whether it ended by itself, as opposed to hitting the length cap.</param>
public sealed record DrawnResponse(ReadOnlyMemory<int> Tokens, ReadOnlyMemory<float> LogProbs, ReadOnlyMemory<float> DrawLogProbs, bool Ended);
