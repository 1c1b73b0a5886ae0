using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

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

    /// <summary>Throws where there is a fault.</summary>
    /// <param name="isFault">Whether there is one.</param>
    /// <param name="path">The file or directory as the user named it.</param>
    /// <param name="field">The field, tensor or line inside it; null when the file as a whole is meant.</param>
    /// <param name="message">What was expected and what was found, in one line.</param>
    /// <exception cref="ModelFileException">There is one.</exception>
    public static void ThrowIf([DoesNotReturnIf(true)] bool isFault, string path, string? field, [InterpolatedStringHandlerArgument(nameof(isFault))] FaultText message)
    {
        if (isFault)
        {
            throw new ModelFileException(path, field, message.ToText());
        }
    }

    private static string Compose(string path, string? field, string message)
    {
        string text = field is null ? message : $"`{field}`: {message}";
        text = path.Length == 0 ? text : $"{path}: {text}";
        return text.ReplaceLineEndings(" ");
    }
}
