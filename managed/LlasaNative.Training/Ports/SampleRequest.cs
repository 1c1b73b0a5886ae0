namespace LlasaNative.Training;

/// <summary>What is to be drawn.</summary>
/// <param name="Prompts">Token ids of each prompt.</param>
/// <param name="SamplesPerPrompt">Samples of each, at least 1.</param>
/// <param name="Settings">How tokens are drawn.</param>
/// <param name="Ids">Key of the random numbers of each sample; sample j of prompt p has index p * n + j.</param>
/// <param name="Slots">Sequences decoded at once; what is drawn does not depend on it, its log-probs do by their rounding.</param>
/// <param name="Finished">Given index and speech codes of each sample as soon as it is finished, on the calling thread; null = nobody asks.</param>
public sealed record SampleRequest(
    IReadOnlyList<int[]> Prompts, int SamplesPerPrompt, SamplingSettings Settings, ulong[] Ids, int Slots = 64, Action<int, int[]>? Finished = null);
