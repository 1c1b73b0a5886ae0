namespace LlasaNative;

/// <summary>Too many samples of a step could not be scored, or a reward component failed; the step was given up before it changed anything.</summary>
/// <param name="message">One line: how many, how many are allowed, and why.</param>
/// <param name="innerException">The cause; may be null.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public class RewardUnavailableException(string message, Exception? innerException = null) : LlasaException(message, innerException);
