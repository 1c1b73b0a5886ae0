using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace LlasaNative;

/// <summary>The caller asked for something that makes no sense: a wrong option, an empty text, a value out of range.</summary>
/// <param name="message">One line that names the option and what was expected.</param>
/// <param name="innerException">The cause; may be null.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public class UsageException(string message, Exception? innerException = null) : LlasaException(message, innerException)
{
    /// <inheritdoc/>
    public override int ExitCode => UsageExitCode;

    /// <summary>Throws where there is a fault.</summary>
    /// <param name="isFault">Whether there is one.</param>
    /// <param name="message">One line that names the option and what was expected.</param>
    /// <exception cref="UsageException">There is one.</exception>
    public static void ThrowIf([DoesNotReturnIf(true)] bool isFault, [InterpolatedStringHandlerArgument(nameof(isFault))] FaultText message)
    {
        if (isFault)
        {
            throw new UsageException(message.ToText());
        }
    }
}
