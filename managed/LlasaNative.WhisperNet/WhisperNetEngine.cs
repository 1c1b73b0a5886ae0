using LlasaNative.Models;
using LlasaNative.Training;

namespace LlasaNative.WhisperNet;

/// <summary>The engine <c>whispernet</c>: recognisers from ggml files by Whisper.net.</summary>
/// <remarks>Not sealed, so that a class library of one line, with the runtime of its choice, is an engine. <b>Threads:</b> any.</remarks>
public class WhisperNetEngine : IRecogniserEngine
{
    /// <inheritdoc/>
    public IRecogniser Load(string path, ScoringOptions options) => WhisperNetRecogniser.Load(path, options);
}
