namespace LlasaNative.Training;

/// <summary>Two samples of one text.</summary>
/// <param name="First">The chosen one, or where nobody has chosen either.</param>
/// <param name="Second">The rejected one, or where nobody has chosen the other.</param>
/// <param name="IsJudged">Whether the first was chosen.</param>
public sealed record SpeechPair(SampledSpeech First, SampledSpeech Second, bool IsJudged);
