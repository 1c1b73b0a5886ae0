namespace LlasaNative.Data;

/// <summary>One entry of a source of speech: a text and the sound of somebody saying it, or what is wrong with it.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record SpokenRow
{
    /// <summary>What the entry is called in messages and in what is made of it: the path of its sound as the source has it, or its place.</summary>
    public required string Name { get; init; }

    /// <summary>Where the entry stands; null for a sound file of a directory.</summary>
    public RowPlace? Place { get; init; }

    /// <summary>What is said; empty when there is a fault.</summary>
    public string Text { get; init; } = string.Empty;

    /// <summary>Language of the text; null when not known.</summary>
    public string? Language { get; init; }

    /// <summary>Path of the sound; null when the source holds it itself.</summary>
    public string? SoundPath { get; init; }

    /// <summary>The sound file that the source itself holds.</summary>
    public byte[]? Sound { get; init; }

    /// <summary>Where in its sound the entry begins, in seconds; null = the sound is the entry's alone.</summary>
    public double? Start { get; init; }

    /// <summary>Seconds of sound from <see cref="Start"/> on; null = to its end.</summary>
    public double? Length { get; init; }

    /// <summary>Why the entry cannot be used; null when it can.</summary>
    public LlasaException? Fault { get; init; }

    /// <summary>An error about this entry.</summary>
    /// <param name="message">What is wrong, in one line.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public LlasaException Error(string message, Exception? innerException = null) =>
        Place is { } place ? place.Fault(message, innerException) : new DataFileException(Name, null, message, innerException);
}
