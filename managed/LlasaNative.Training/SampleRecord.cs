namespace LlasaNative.Training;

/// <summary>One drawn sample and how it was judged.</summary>
/// <param name="Text">What should be said.</param>
/// <param name="Transcript">What the recogniser heard.</param>
/// <param name="Codes">Speech codes drawn.</param>
/// <param name="Ended">Whether it ended by itself.</param>
/// <param name="Judgement">How it was judged.</param>
/// <param name="Voice">Name of the voice that it goes on in; null when it has none.</param>
/// <param name="Advantage">Its advantage over its group; 0 when it took no part.</param>
/// <param name="Second">What the second ear heard; null when there is none.</param>
/// <param name="Prosody">How it was said; null when that was not measured.</param>
/// <param name="Sound">Its sound at 16 kHz, when that was wanted.</param>
public sealed record SampleRecord(
    string Text, string Transcript, IReadOnlyList<int> Codes, bool Ended, Judgement Judgement, string? Voice = null, double Advantage = 0,
    SecondTranscript? Second = null, Prosody? Prosody = null, float[]? Sound = null);
