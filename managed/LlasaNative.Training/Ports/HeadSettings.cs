namespace LlasaNative.Training;

/// <summary>Which distribution over the next token log-probs are of.</summary>
/// <param name="Temperature">Softmax temperature, more than 0.</param>
/// <param name="SpeechOnly">Whether only speech tokens and the end token are in it.</param>
public sealed record HeadSettings(double Temperature, bool SpeechOnly);
