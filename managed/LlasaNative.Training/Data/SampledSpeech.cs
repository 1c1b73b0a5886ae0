namespace LlasaNative.Data;

/// <summary>A drawn sample with its codes, and what is known of it: what pairs are made of.</summary>
/// <param name="Text">What should be said.</param>
/// <param name="Codes">Speech codes that were drawn.</param>
/// <param name="Policy">Who said it, for people.</param>
/// <param name="Voice">The voice that it goes on in; null when none was named.</param>
/// <param name="Transcript">What the recogniser heard.</param>
/// <param name="Reward">Reward, 0 to 1.</param>
/// <param name="Cer">Character error rate.</param>
/// <param name="Nll">Mean negative log-likelihood of the text.</param>
/// <param name="Ended">Whether it ended by itself.</param>
/// <param name="F0Semitones">Standard deviation of the fundamental frequency in semitones; NaN where that is not known.</param>
/// <param name="Rate">Characters per second from the first sound to the last; NaN where that is not known.</param>
public sealed record SampledSpeech(
    string Text, IReadOnlyList<int> Codes, string Policy = "", VoiceReference? Voice = null, string Transcript = "", double Reward = double.NaN,
    double Cer = double.NaN,
    double Nll = double.NaN, bool Ended = false, double F0Semitones = double.NaN, double Rate = double.NaN);
