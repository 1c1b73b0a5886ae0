namespace LlasaNative;

/// <summary>
/// Base of every error this library raises on purpose: bad input, a damaged file, a refused option.
/// </summary>
/// <remarks>
/// <para>The message is one line that a user can act on; it names the file and field where there is one.</para>
/// <para><b>Threads:</b> immutable.</para>
/// </remarks>
public class LlasaException : Exception
{
    /// <summary>Process exit code for a failure of the work itself.</summary>
    public const int FailureExitCode = 1;

    /// <summary>Process exit code for a wrong command line or configuration.</summary>
    public const int UsageExitCode = 2;

    /// <summary>Creates an error with the default message.</summary>
    public LlasaException()
        : this("The operation failed.")
    {
    }

    /// <summary>Creates an error.</summary>
    /// <param name="message">One line, without a trailing newline.</param>
    public LlasaException(string message)
        : base(message)
    {
    }

    /// <summary>Creates an error with a cause.</summary>
    /// <param name="message">One line, without a trailing newline.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public LlasaException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Exit code a console program should end with: 1 for a failure, 2 for wrong usage.</summary>
    public virtual int ExitCode => FailureExitCode;
}
