namespace LlasaNative;

/// <summary>A file that should hold a model, tokenizer, checkpoint or sound is missing, damaged or not supported.</summary>
/// <remarks>
/// The message reads <c>path: `field`: what was expected and what was found</c>.
/// <para><b>Threads:</b> immutable.</para>
/// </remarks>
public class ModelFileException : LlasaException
{
    /// <summary>Creates an error with the default message.</summary>
    public ModelFileException()
        : this(string.Empty, null, "The file is not valid.")
    {
    }

    /// <summary>Creates an error that names no file.</summary>
    /// <param name="message">One line.</param>
    public ModelFileException(string message)
        : this(string.Empty, null, message)
    {
    }

    /// <summary>Creates an error that names no file, with a cause.</summary>
    /// <param name="message">One line.</param>
    /// <param name="innerException">The cause.</param>
    public ModelFileException(string message, Exception? innerException)
        : this(string.Empty, null, message, innerException)
    {
    }

    /// <summary>Creates an error about one field of one file.</summary>
    /// <param name="path">The file or directory as the user named it; empty when there is none.</param>
    /// <param name="field">The field, tensor or line inside it; null when the file as a whole is meant.</param>
    /// <param name="message">What was expected and what was found, in one line.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public ModelFileException(string path, string? field, string message, Exception? innerException = null)
        : base(Compose(path, field, message), innerException)
    {
        Path = path;
        Field = field;
    }

    /// <summary>The file or directory as the user named it; empty when there is none.</summary>
    public string Path { get; }

    /// <summary>The field, tensor or line inside the file; null when the file as a whole is meant.</summary>
    public string? Field { get; }

    private static string Compose(string path, string? field, string message)
    {
        string text = field is null ? message : $"`{field}`: {message}";
        text = path.Length == 0 ? text : $"{path}: {text}";
        return text.ReplaceLineEndings(" ");
    }
}
