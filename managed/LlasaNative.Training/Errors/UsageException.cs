namespace LlasaNative;

/// <summary>The caller asked for something that makes no sense: a wrong option, an empty text, a value out of range.</summary>
/// <param name="message">One line that names the option and what was expected.</param>
/// <param name="innerException">The cause; may be null.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public class UsageException(string message, Exception? innerException = null) : LlasaException(message, innerException)
{
    /// <inheritdoc/>
    public override int ExitCode => UsageExitCode;
}
