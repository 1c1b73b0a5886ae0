namespace LlasaNative;

/// <summary>Too many samples of a step could not be scored, or a reward component failed; the step was given up before it changed anything.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public class RewardUnavailableException : LlasaException
{
    /// <summary>Creates an error with the default message.</summary>
    public RewardUnavailableException()
        : this("Samples could not be scored.")
    {
    }

    /// <summary>Creates an error.</summary>
    /// <param name="message">One line: how many, how many are allowed, and why.</param>
    public RewardUnavailableException(string message)
        : base(message)
    {
    }

    /// <summary>Creates an error with a cause.</summary>
    /// <param name="message">One line.</param>
    /// <param name="innerException">The cause; may be null.</param>
    public RewardUnavailableException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
