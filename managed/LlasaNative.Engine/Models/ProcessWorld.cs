namespace LlasaNative.Models;

/// <summary>The processes of a run as the method sees them.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> that of the native world.</remarks>
/// <param name="native">The native world.</param>
public sealed class ProcessWorld(NativeWorld native) : IWorld
{
    /// <inheritdoc/>
    public int Rank => Native.Rank;

    /// <inheritdoc/>
    public int Size => Native.Size;

    internal NativeWorld Native { get; } = native;

    /// <inheritdoc/>
    public byte[][] AllGather(ReadOnlySpan<byte> mine) => Native.AllGather(mine);
}
