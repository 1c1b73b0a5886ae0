using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;

namespace LlasaNative.Weights;

/// <summary>A whole file mapped read-only; the bytes are valid until it is disposed.</summary>
/// <param name="file">The map; null of an empty file.</param>
/// <param name="view">All of it.</param>
/// <param name="length">File length in bytes.</param>
internal sealed class MappedFile(MemoryMappedFile? file, MemoryMappedViewAccessor? view, long length) : IDisposable
{
    /// <summary>File length in bytes.</summary>
    public long Length => length;

    /// <summary>Address of byte 0, for native calls that take more than 2 GiB at once.</summary>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(view?.SafeMemoryMappedViewHandle.IsClosed == true, this);
            return view is null ? 0 : view.SafeMemoryMappedViewHandle.DangerousGetHandle() + (nint)view.PointerOffset;
        }
    }

    public static MappedFile Open(string path)
    {
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
            if (stream.Length == 0)
            {
                return new MappedFile(null, null, 0);
            }

            long length = stream.Length;
            return MemoryMappedFile.CreateFromFile(stream.SafeFileHandle, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true)
                .DisposeOnFailure(file => new MappedFile(file, file.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read), length));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw FileErrors.Unreadable(path, e);
        }
    }

    public ReadOnlySpan<byte> Slice(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - offset);
        if (count == 0)
        {
            return [];
        }

        // A reference into memory that the collector does not own; it stays valid while the view is open.
        ref byte start = ref Unsafe.AddByteOffset(ref Unsafe.NullRef<byte>(), Address + (nint)offset);
        return MemoryMarshal.CreateReadOnlySpan(ref start, count);
    }

    /// <summary>
    /// Gives back the memory of bytes that were read: the process's own count of it falls, and they come from the file again where they are
    /// read again. Only advice: where a system does not take it (Windows), nothing happens.
    /// </summary>
    public void Release(long offset, long count)
    {
        if (count <= 0 || OperatingSystem.IsWindows())
        {
            return;
        }

        // Whole pages, the neighbours' ends included.
        const int DontNeed = 4;   // on Linux, macOS and the BSDs
        long page = Environment.SystemPageSize, begin = offset / page * page;
        _ = NativeMethods.Advise(Address + (nint)begin, (nuint)(offset + count - begin), DontNeed);
    }

    public void Dispose()
    {
        view?.Dispose();
        file?.Dispose();
    }

    private static class NativeMethods
    {
        [DllImport("libc", EntryPoint = "madvise")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Advise(nint address, nuint length, int advice);
    }
}
