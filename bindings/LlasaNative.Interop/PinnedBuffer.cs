using System.Buffers;

namespace LlasaNative.Interop;

/// <summary>Floats in page-locked native memory, for audio on its way to and from a device.</summary>
/// <remarks>
/// Whoever creates it, or rents it from <see cref="PinnedBufferPool"/>, disposes it. Spans taken from it are
/// valid until then. A span does not keep the buffer alive: hold the buffer or its memory while using one.
/// </remarks>
public sealed unsafe class PinnedBuffer : MemoryManager<float>
{
    private readonly BufferHandle _handle;
    private readonly float* _data;
    private readonly int _length;
    private readonly PinnedBufferPool? _pool;
    private bool _disposed;

    /// <summary>Allocates a zeroed buffer.</summary>
    /// <param name="length">Elements, at least 1.</param>
    public PinnedBuffer(int length)
        : this(NewHandle(length), length, null)
    {
    }

    internal PinnedBuffer(BufferHandle handle, int length, PinnedBufferPool? pool)
    {
        void* data;
        long size;
        Native.Check(NativeMethods.llasa_buffer_data(handle, &data, &size));
        Checks.Length(size / sizeof(float), length, nameof(length));
        _handle = handle;
        _data = (float*)data;
        _length = length;
        _pool = pool;
    }

    /// <inheritdoc/>
    public override Span<float> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new Span<float>(_data, _length);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(elementIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elementIndex, _length);
        var kept = false;
        _handle.DangerousAddRef(ref kept);
        return new MemoryHandle(_data + elementIndex, default, this);
    }

    /// <inheritdoc/>
    public override void Unpin() => _handle.DangerousRelease();

    internal static BufferHandle NewHandle(long length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        return Native.BufferCreate(checked(length * sizeof(float)));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (!disposing || _disposed)
        {
            return;
        }

        _disposed = true;
        if (_pool is null)
        {
            _handle.Dispose();
        }
        else
        {
            _pool.Return(_handle, _length);
        }
    }
}
