using System.Buffers;
using System.Numerics;

namespace LlasaNative.Interop;

/// <summary>Keeps page-locked memory for reuse: locking pages costs far more than a memory allocation.</summary>
/// <remarks>Threads: any. Disposing frees what is idle; buffers still rented are freed when they come back.</remarks>
public sealed class PinnedBufferPool : IDisposable
{
    private readonly Dictionary<int, Stack<BufferHandle>> _idle = [];
    private readonly Lock _lock = new();
    private bool _disposed;

    /// <summary>Rents at least the wanted length, cut to it; contents are undefined. Dispose to give it back.</summary>
    /// <param name="length">Elements, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is below 1.</exception>
    public IMemoryOwner<float> Rent(int length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        var handle = Take(SizeClass(length)) ?? PinnedBuffer.NewHandle(1L << SizeClass(length));
        return new PinnedBuffer(handle, length, this);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (var handle in _idle.Values.SelectMany(h => h))
            {
                handle.Dispose();
            }

            _idle.Clear();
        }
    }

    internal void Return(BufferHandle handle, int length)
    {
        lock (_lock)
        {
            if (_disposed)
            {
                handle.Dispose();
                return;
            }

            if (!_idle.TryGetValue(SizeClass(length), out var handles))
            {
                _idle.Add(SizeClass(length), handles = new Stack<BufferHandle>());
            }

            handles.Push(handle);
        }
    }

    private static int SizeClass(int length) => Math.Max(BitOperations.Log2((uint)length - 1) + 1, 8);

    private BufferHandle? Take(int sizeClass)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _idle.TryGetValue(sizeClass, out var handles) && handles.TryPop(out var handle) ? handle : null;
        }
    }
}
