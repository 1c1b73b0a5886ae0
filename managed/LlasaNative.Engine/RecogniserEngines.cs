using LlasaNative.Extensions;

namespace LlasaNative.Engine;

/// <summary>Recognisers by the engine that their name asks for: the native one, or for a ggml file the engine <c>whispernet</c>.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class RecogniserEngines
{
    /// <summary>Whether a name is that of a ggml file: <c>*.bin</c> or <c>*.ggml</c>, and no directory.</summary>
    /// <param name="path">Of a recogniser.</param>
    public static bool IsGgml(string path) => Path.GetExtension(path)?.ToLowerInvariant() is ".bin" or ".ggml" && !Directory.Exists(path);

    /// <summary>Loads a recogniser.</summary>
    /// <param name="path">Hugging Face directory of a Whisper model, or a ggml file.</param>
    /// <param name="options">How it listens.</param>
    /// <param name="type">Element type of the native engine's matrices and filters; a ggml file has types of its own.</param>
    /// <exception cref="ModelFileException">Something is missing, malformed or not supported; the message names file and field.</exception>
    /// <exception cref="UsageException">The model cannot listen in this way, or its engine is not here.</exception>
    public static IRecogniser Load(string path, ScoringOptions options, ComputeType type)
    {
        if (!IsGgml(path))
        {
            return NativeRecogniser.Load(path, options, type);
        }

        ModelFileException.ThrowIf(!File.Exists(path), path, null, "there is no such file");
        IRecogniserEngine engine;
        try
        {
            engine = Engines.Create<IRecogniserEngine>("whispernet", "whispernet");
        }
        catch (UsageException e)
        {
            throw new UsageException($"{path}: a ggml file, which the engine whispernet reads; {e.Message}", e);
        }

        return engine.Load(path, options);
    }
}
