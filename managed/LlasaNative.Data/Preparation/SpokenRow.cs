namespace LlasaNative.Data;

/// <summary>One entry of a source of speech: a text and the sound of somebody saying it, or what is wrong with it.</summary>
/// <param name="Name">What the entry is called in messages and in what is made of it: the path of its sound as the source has it, or its place.</param>
/// <param name="Place">Where the entry stands; null for a sound file of a directory.</param>
/// <param name="Text">What is said; empty when there is a fault.</param>
/// <param name="Language">Language of the text; null when not known.</param>
/// <param name="SoundPath">Path of the sound; null when the source holds it itself.</param>
/// <param name="Sound">The sound file that the source itself holds.</param>
/// <param name="Start">Where in its sound the entry begins, in seconds; null = the sound is the entry's alone.</param>
/// <param name="Length">Seconds of sound from <paramref name="Start"/> on; null = to its end.</param>
/// <param name="Fault">Why the entry cannot be used; null when it can.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record SpokenRow(
    string Name, RowPlace? Place = null, string Text = "", string? Language = null, string? SoundPath = null, byte[]? Sound = null,
    double? Start = null, double? Length = null, LlasaException? Fault = null)
{
    /// <summary>An error about this entry.</summary>
    /// <param name="message">What is wrong, in one line.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public LlasaException Error(string message, Exception? innerException = null) =>
        Place is { } place ? place.Fault(message, innerException) : new DataFileException(Name, null, message, innerException);
}
