namespace LlasaNative.Training;

/// <summary>What is to be said, how, and what is wanted to be known of it.</summary>
/// <param name="Texts">The texts, encoded for the policy.</param>
/// <param name="SamplesPerText">Samples of each.</param>
/// <param name="Sampling">How speech tokens are drawn.</param>
/// <param name="FirstId">Key of the first sample's random numbers; the others follow.</param>
/// <param name="Slots">Sequences decoded at once; what is drawn does not depend on it, its log-probs do by their rounding.</param>
/// <param name="Overlap">Whether samples are listened to while others are still drawn; no result depends on it.</param>
/// <param name="Extras">What is wanted of the sounds besides what rewards are made of.</param>
public sealed record SpeakRequest(
    IReadOnlyList<EncodedText> Texts, int SamplesPerText, SamplingSettings Sampling, ulong FirstId, int Slots = 64, bool Overlap = false,
    RecognitionExtras Extras = RecognitionExtras.None);
