using LlasaNative.Weights;
using Microsoft.Win32.SafeHandles;

namespace LlasaNative.Data.Parquet;

/// <summary>Random access to the bytes of a file or of memory.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
internal abstract class ByteSource : IDisposable
{
    public abstract long Length { get; }

    /// <summary>Fills the span; the caller has checked that it lies inside.</summary>
    public abstract void Read(long offset, Span<byte> destination);

    public abstract void Dispose();

    public static ByteSource OpenFile(string path)
    {
        try
        {
            SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.RandomAccess);
            return new FileSource(handle, RandomAccess.GetLength(handle));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ParquetException(path, null, null, null, FileErrors.Unreadable(string.Empty, e).Message, e);
        }
    }

    private sealed class FileSource(SafeFileHandle handle, long length) : ByteSource
    {
        public override long Length => length;

        public override void Read(long offset, Span<byte> destination)
        {
            try
            {
                while (!destination.IsEmpty)
                {
                    int got = RandomAccess.Read(handle, destination, offset);
                    if (got == 0)
                    {
                        throw new ParquetException("the file has become shorter while it was read");
                    }

                    offset += got;
                    destination = destination[got..];
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new ParquetException($"cannot be read: {e.Message}", e);
            }
        }

        public override void Dispose() => handle.Dispose();
    }
}

/// <summary>A file that lies in memory.</summary>
internal sealed class MemorySource(ReadOnlyMemory<byte> bytes) : ByteSource
{
    public override long Length => bytes.Length;

    public override void Read(long offset, Span<byte> destination) =>
        bytes.Span.Slice((int)offset, destination.Length).CopyTo(destination);

    public override void Dispose()
    {
    }
}
