namespace LlasaNative.Data;

/// <summary>One entry of a source: a text with what is known about it, or what is wrong with it.</summary>
/// <param name="Text">The text; empty when there is a fault.</param>
/// <param name="Language">Its language; null when not known.</param>
/// <param name="Duration">Length of its speech in seconds; null when not known.</param>
/// <param name="Fault">Why the entry cannot be used; null when it can.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record SourceRow(string Text, string? Language = null, double? Duration = null, LlasaException? Fault = null)
{
    /// <summary>Speech codes of somebody saying the text; null when the source has none.</summary>
    public IReadOnlyList<int>? Codes => CodeLists is [var codes, ..] ? codes : null;

    /// <summary>The lists of codes that were asked for, in that order; null where the source has none.</summary>
    internal IReadOnlyList<int>?[] CodeLists { get; init; } = [];

    /// <summary>The voice that its text is to be said in; null when the source names none.</summary>
    public VoiceReference? Voice { get; init; }

    /// <summary>Prompt and speech as token ids, of a source that holds nothing else; then there is a fault for all who cannot read these.</summary>
    internal int[]? TokenIds { get; init; }

    /// <summary>Where the entry stands.</summary>
    public RowPlace Place { get; init; }

    /// <summary>The voice that a row names in its fields `voice`, a path from the file's folder, and `voice_text`; null when it names none.</summary>
    internal static VoiceReference? VoiceOf(RowPlace place, string? path, string? text) => string.IsNullOrWhiteSpace(path) ? null
        : new VoiceReference(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(place.Path))!, path), string.IsNullOrWhiteSpace(text) ? null : text.Trim());

    internal static SourceRow Broken(RowPlace place, string message, Exception? cause = null) => Broken(place, place.Fault(message, cause));

    internal static SourceRow Broken(RowPlace place, LlasaException fault) => new(string.Empty, null, null, fault) { Place = place };
}
