namespace LlasaNative.Models;

/// <summary>How speech tokens are drawn.</summary>
/// <param name="Temperature">Softmax temperature; 0 = always the most probable token.</param>
/// <param name="TopK">Draw from the k most probable tokens only; 0 = all.</param>
/// <param name="TopP">Draw from the smallest set of tokens with this much probability; 1 = all.</param>
/// <param name="MaxNewTokens">Longest response in tokens, the end token included.</param>
/// <param name="SpeechOnly">Whether only speech tokens and the end token can be drawn.</param>
/// <param name="Seed">Key of the random numbers.</param>
public sealed record SamplingSettings(double Temperature = 0.8, int TopK = 0, double TopP = 1, int MaxNewTokens = 160, bool SpeechOnly = true, ulong Seed = 0);
