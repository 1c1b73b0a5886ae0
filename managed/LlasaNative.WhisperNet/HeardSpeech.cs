using LlasaNative.Models;

namespace LlasaNative.WhisperNet;

/// <summary>What was heard in one clip.</summary>
/// <param name="Score">Transcript, likelihood of the text, probability of silence.</param>
/// <param name="Language">Code of the language it was heard in: the one asked for, or the one detected.</param>
public readonly record struct HeardSpeech(SpeechScore Score, string Language);
