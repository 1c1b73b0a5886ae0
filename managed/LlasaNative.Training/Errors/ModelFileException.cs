namespace LlasaNative;

/// <summary>A file that should hold a model, tokenizer, checkpoint or sound is missing, damaged or not supported.</summary>
/// <param name="path">The file or directory as the user named it; empty when there is none.</param>
/// <param name="field">The field, tensor or line inside it; null when the file as a whole is meant.</param>
/// <param name="message">What was expected and what was found, in one line.</param>
/// <param name="innerException">The cause; may be null.</param>
/// <remarks>
/// The message reads <c>path: `field`: what was expected and what was found</c>.
/// <para><b>Threads:</b> immutable.</para>
/// </remarks>
public class ModelFileException(string path, string? field, string message, Exception? innerException = null)
    : LlasaException(Compose(path, field, message), innerException)
{
    /// <summary>The file or directory as the user named it; empty when there is none.</summary>
    public string Path { get; } = path;

    /// <summary>The field, tensor or line inside the file; null when the file as a whole is meant.</summary>
    public string? Field { get; } = field;

    private static string Compose(string path, string? field, string message)
    {
        string text = field is null ? message : $"`{field}`: {message}";
        text = path.Length == 0 ? text : $"{path}: {text}";
        return text.ReplaceLineEndings(" ");
    }
}
