namespace LlasaNative;

/// <summary>The caller asked for something that makes no sense: a wrong option, an empty text, a value out of range.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public class UsageException : LlasaException
{
    /// <summary>Creates an error with the default message.</summary>
    public UsageException()
        : this("Wrong usage.")
    {
    }

    /// <summary>Creates an error.</summary>
    /// <param name="message">One line that names the option and what was expected.</param>
    public UsageException(string message)
        : base(message)
    {
    }

    /// <summary>Creates an error with a cause.</summary>
    /// <param name="message">One line that names the option and what was expected.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public UsageException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <inheritdoc/>
    public override int ExitCode => UsageExitCode;
}
