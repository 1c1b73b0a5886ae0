using System.Buffers.Text;

namespace LlasaNative.Weights;

/// <summary>Turns what the operating system says about a file into one line for the user.</summary>
public static class FileErrors
{
    /// <summary>The error of a file that cannot be read.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="cause">What was thrown.</param>
    public static ModelFileException Unreadable(string path, Exception cause) => cause switch
    {
        FileNotFoundException => new ModelFileException(path, null, "no such file", cause),
        DirectoryNotFoundException => new ModelFileException(path, null, "no such file or directory", cause),
        UnauthorizedAccessException when Directory.Exists(path) =>
            new ModelFileException(path, null, "expected a file, found a directory", cause),
        UnauthorizedAccessException => new ModelFileException(path, null, "permission denied", cause),
        _ => new ModelFileException(path, null, $"cannot be read: {cause.Message}", cause),
    };

    /// <summary>Whether an error means that the file system did not take what was written.</summary>
    /// <remarks>.NET turns EFBIG, a file longer than the file system or a limit allows, into an argument out of range.</remarks>
    /// <param name="e">The error.</param>
    public static bool IsWriteFailure(Exception e) =>
        e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException { ParamName: "value" };

    /// <summary>The error of a file that cannot be written.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="cause">What was thrown.</param>
    public static ModelFileException Unwritable(string path, Exception cause) =>
        new(path, null, $"cannot be written: {cause.Message}", cause);

    /// <summary>Writes to a file.</summary>
    /// <param name="path">Path of the file, for messages.</param>
    /// <param name="write">Writes.</param>
    /// <exception cref="ModelFileException">The file system does not take it.</exception>
    public static void Writing(string path, Action write)
    {
        ArgumentNullException.ThrowIfNull(write);
        try
        {
            write();
        }
        catch (Exception e) when (IsWriteFailure(e))
        {
            throw Unwritable(path, e);
        }
    }

    /// <summary>What is wrong with a file that Git LFS put in place of the real one, as a clone without it leaves it; null for any other file.</summary>
    /// <param name="beginning">The file, or its beginning.</param>
    public static string? LfsFault(ReadOnlySpan<byte> beginning)
    {
        if (!beginning.StartsWith("version https://git-lfs.github.com/spec/"u8))
        {
            return null;
        }

        int size = beginning.IndexOf("\nsize "u8);
        string bytes = size >= 0 && Utf8Parser.TryParse(beginning[(size + 6)..], out long count, out _)
            ? string.Create(CultureInfo.InvariantCulture, $", which has {count} bytes") : string.Empty;
        return $"is Git LFS's pointer to the file and not the file{bytes}: fetch it with `git lfs pull`, or download it anew";
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ModelFileException">It cannot be read, or is Git LFS's pointer to the file.</exception>
    public static byte[] ReadAllBytes(string path)
    {
        try
        {
            byte[] file = File.ReadAllBytes(path);
            return LfsFault(file) is { } pointer ? throw new ModelFileException(path, null, pointer) : file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Unreadable(path, e);
        }
    }
}
