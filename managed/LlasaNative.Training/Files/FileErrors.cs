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

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ModelFileException">It cannot be read.</exception>
    public static byte[] ReadAllBytes(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Unreadable(path, e);
        }
    }
}
