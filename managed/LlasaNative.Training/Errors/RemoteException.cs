using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Runtime.CompilerServices;

namespace LlasaNative;

/// <summary>The Hub, an HDFS server or the like cannot be reached, refuses a request, or sends something that is not what was asked for.</summary>
/// <param name="message">One line.</param>
/// <param name="innerException">The cause; may be null.</param>
/// <remarks>The message reads <c>hf://OWNER/NAME: what went wrong</c>. <b>Threads:</b> immutable.</remarks>
public sealed class RemoteException(string message, Exception? innerException = null) : LlasaException(message.ReplaceLineEndings(" "), innerException)
{
    /// <summary>Creates an error about one place.</summary>
    /// <param name="place">What the user named, as <c>hf://OWNER/NAME</c>.</param>
    /// <param name="message">What went wrong, in one line.</param>
    /// <param name="status">What the server answered; null when it did not.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public RemoteException(string place, string message, HttpStatusCode? status = null, Exception? innerException = null)
        : this($"{place}: {message}", innerException) => Status = status;

    /// <summary>What the server answered; null when it could not be reached or its answer made no sense.</summary>
    public HttpStatusCode? Status { get; }

    /// <summary>Throws where there is a fault.</summary>
    /// <param name="isFault">Whether there is one.</param>
    /// <param name="place">What the user named.</param>
    /// <param name="message">What went wrong, in one line.</param>
    /// <exception cref="RemoteException">There is one.</exception>
    public static void ThrowIf([DoesNotReturnIf(true)] bool isFault, string place, [InterpolatedStringHandlerArgument(nameof(isFault))] FaultText message)
    {
        if (isFault)
        {
            throw new RemoteException(place, message.ToText());
        }
    }
}
