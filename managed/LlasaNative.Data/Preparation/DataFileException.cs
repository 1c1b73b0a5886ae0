namespace LlasaNative.Data;

/// <summary>A text, JSON-lines or CSV file cannot be read, or one of its lines does not fit.</summary>
/// <remarks>The message reads <c>path: line 3: what is wrong</c>. <b>Threads:</b> immutable.</remarks>
public sealed class DataFileException : LlasaException
{
    /// <summary>Creates an error that names no file.</summary>
    /// <param name="message">One line.</param>
    public DataFileException(string message)
        : base(message)
    {
    }

    /// <summary>Creates an error about one line of one file.</summary>
    /// <param name="path">The file as the user named it.</param>
    /// <param name="line">The line, from 1; null when the file as a whole is meant.</param>
    /// <param name="message">What is wrong, in one line.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public DataFileException(string path, long? line, string message, Exception? innerException = null)
        : base(Compose(path, line, message), innerException)
    {
    }

    /// <summary>Reads a file, or a part of one.</summary>
    /// <typeparam name="T">What is read.</typeparam>
    /// <param name="path">The file as the user named it.</param>
    /// <param name="read">Reads it.</param>
    /// <exception cref="DataFileException">It is not there, or cannot be read.</exception>
    internal static T Reading<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (FileNotFoundException e)
        {
            throw new DataFileException(path, null, "there is no such file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataFileException(path, null, $"cannot be read: {e.Message}", e);
        }
    }

    private static string Compose(string path, long? line, string message)
    {
        string place = line is long number ? string.Create(CultureInfo.InvariantCulture, $"{path}: line {number}") : path;
        return $"{place}: {message}".ReplaceLineEndings(" ");
    }
}
