namespace LlasaNative.Training;

/// <summary>Loads recognisers: what an engine that listens is asked for.</summary>
/// <remarks>Has a public constructor without parameters that loads nothing. <b>Threads:</b> any.</remarks>
public interface IRecogniserEngine
{
    /// <summary>Loads a recogniser.</summary>
    /// <param name="path">What it is loaded from, in the engine's own format.</param>
    /// <param name="options">How it listens.</param>
    /// <exception cref="ModelFileException">It is missing, malformed or not supported; the message names file and field.</exception>
    /// <exception cref="UsageException">It cannot listen in this way.</exception>
    IRecogniser Load(string path, ScoringOptions options);
}
