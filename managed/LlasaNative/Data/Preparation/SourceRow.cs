namespace LlasaNative.Data;

/// <summary>One entry of a source: a text with what is known about it, or what is wrong with it.</summary>
/// <param name="Text">The text; empty when there is a fault.</param>
/// <param name="Language">Its language; null when not known.</param>
/// <param name="Duration">Length of its speech in seconds; null when not known.</param>
/// <param name="Fault">Why the entry cannot be used; null when it can.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record SourceRow(string Text, string? Language = null, double? Duration = null, LlasaException? Fault = null)
{
    internal static SourceRow Broken(LlasaException fault) => new(string.Empty, null, null, fault);
}
