namespace LlasaNative.Recognition.Remote;

/// <summary>One attempt to have a server answer failed.</summary>
internal sealed class ServerException(string message, bool isTransient, TimeSpan? retryAfter = null, Exception? cause = null)
    : LlasaException(message, cause)
{
    /// <summary>Whether the same request may succeed later.</summary>
    public bool IsTransient { get; } = isTransient;

    /// <summary>How long the server asks to be left alone.</summary>
    public TimeSpan? RetryAfter { get; } = retryAfter;
}
