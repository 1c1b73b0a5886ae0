namespace LlasaNative.Data;

/// <summary>Where an entry of a source stands.</summary>
/// <param name="Path">The file as it was named.</param>
/// <param name="Number">Its line, from 1; in a Parquet file its row in the whole file, from 0.</param>
/// <param name="RowGroup">Row group of a Parquet file, from 0; null for other files.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public readonly record struct RowPlace(string Path, long Number, int? RowGroup = null)
{
    /// <summary>An error about this entry.</summary>
    /// <param name="message">What is wrong, in one line.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public LlasaException Fault(string message, Exception? innerException = null) => RowGroup is int group
        ? new ParquetException(Path, group, null, Number, message, innerException)
        : new DataFileException(Path, Number, message, innerException);
}
