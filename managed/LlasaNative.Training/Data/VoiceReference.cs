namespace LlasaNative.Data;

/// <summary>A voice as a row of data names it: a sound, and what is said in it.</summary>
/// <param name="Path">The sound file.</param>
/// <param name="Text">What is said; null when that is to be recognised.</param>
public sealed record VoiceReference(string Path, string? Text);
