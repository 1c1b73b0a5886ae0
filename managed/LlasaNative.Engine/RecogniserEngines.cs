using LlasaNative.Models;
using LlasaNative.Training;

namespace LlasaNative.Engine;

/// <summary>Recognisers by the engine that their name asks for.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class RecogniserEngines
{
    /// <summary>Loads a recogniser.</summary>
    /// <param name="path">Hugging Face directory of a Whisper model.</param>
    /// <param name="options">How it listens.</param>
    /// <param name="type">Element type of the native engine's matrices and filters.</param>
    /// <exception cref="ModelFileException">Something is missing, malformed or not supported; the message names file and field.</exception>
    /// <exception cref="UsageException">The model does not know the language, or lacks the tokens of the prompt.</exception>
    public static IRecogniser Load(string path, ScoringOptions options, ComputeType type) => NativeRecogniser.Load(path, options, type);
}
