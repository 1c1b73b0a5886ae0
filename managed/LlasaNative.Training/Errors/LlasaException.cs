namespace LlasaNative;

/// <summary>
/// Base of every error this library raises on purpose: bad input, a damaged file, a refused option.
/// </summary>
/// <param name="message">One line, without a trailing newline.</param>
/// <param name="innerException">The cause; may be null.</param>
/// <remarks>
/// <para>The message is one line that a user can act on; it names the file and field where there is one.</para>
/// <para><b>Threads:</b> immutable.</para>
/// </remarks>
public class LlasaException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Process exit code for a failure of the work itself.</summary>
    public const int FailureExitCode = 1;

    /// <summary>Process exit code for a wrong command line or configuration.</summary>
    public const int UsageExitCode = 2;

    /// <summary>Exit code a console program should end with: 1 for a failure, 2 for wrong usage.</summary>
    public virtual int ExitCode => FailureExitCode;
}
