namespace LlasaNative.Interop;

/// <summary>Told how far a long native call is; called on the thread that made the call.</summary>
/// <remarks>An exception thrown here stops the native call and comes out of it.</remarks>
/// <param name="done">Units done: tokens or samples.</param>
/// <param name="total">Units in all, at most.</param>
/// <returns>True to go on, false to cancel.</returns>
public delegate bool NativeProgress(long done, long total);
