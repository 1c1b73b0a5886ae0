using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>Part of a <see cref="SafeBuffer"/>, held for the duration of a call.</summary>
internal unsafe ref struct BorrowedMemory
{
    private readonly SafeBuffer _buffer;
    private byte* _start;

    public BorrowedMemory(SafeBuffer buffer, long offset, long size)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        if ((ulong)offset > buffer.ByteLength || (ulong)size > buffer.ByteLength - (ulong)offset)
        {
            throw new ArgumentException($"bytes {offset}..{offset + size} lie outside the buffer of {buffer.ByteLength}", nameof(buffer));
        }

        _buffer = buffer;
        _buffer.AcquirePointer(ref _start);
        Pointer = _start + offset;
    }

    public void* Pointer { get; }

    public readonly void Dispose()
    {
        if (_start is not null)
        {
            _buffer.ReleasePointer();
        }
    }
}
