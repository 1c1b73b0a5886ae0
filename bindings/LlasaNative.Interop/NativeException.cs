namespace LlasaNative.Interop;

/// <summary>A native call failed.</summary>
/// <remarks>A cancelled call throws <see cref="OperationCanceledException"/> instead.</remarks>
/// <param name="status">What the call returned.</param>
/// <param name="message">The native library's message: function, argument, expected, actual.</param>
public class NativeException(LlasaStatus status, string message) : Exception(message)
{
    /// <summary>What the call returned; never <see cref="LlasaStatus.Ok"/>.</summary>
    public LlasaStatus Status { get; } = status;
}
