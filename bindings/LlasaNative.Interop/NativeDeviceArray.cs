namespace LlasaNative.Interop;

/// <summary>Elements in memory of the device that the library computes on (the host's on the CPU), which somebody else owns.</summary>
/// <remarks>The library checks that both ends are memory of that device; that what lies between is the array's is the caller's word.</remarks>
/// <typeparam name="T">Of the elements.</typeparam>
/// <param name="data">First element; null where there is none.</param>
/// <param name="length">Number of elements.</param>
public readonly unsafe struct NativeDeviceArray<T>(void* data, long length)
    where T : unmanaged
{
    /// <summary>Number of elements.</summary>
    public long Length => length;

    internal T* Data => (T*)data;

    internal T* Checked(long needed, string name)
    {
        Checks.Length(length, needed, name);
        return (T*)data;
    }
}
