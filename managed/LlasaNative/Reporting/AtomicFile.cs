using LlasaNative.Weights;

namespace LlasaNative.Reporting;

/// <summary>Writes a file so that it is either complete or not there.</summary>
public static class AtomicFile
{
    /// <summary>Writes beside the file, then renames; removes what it wrote when that fails.</summary>
    /// <param name="path">Path of the file; its directory is created.</param>
    /// <param name="write">Writes the content to the path it is given.</param>
    /// <exception cref="LlasaException">The file cannot be written.</exception>
    public static void Write(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var temporary = path + ".tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            write(temporary);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e)
        {
            TryDelete(temporary);
            if (FileErrors.IsWriteFailure(e))
            {
                throw new LlasaException($"{path}: cannot be written: {e.Message}", e);
            }

            throw;
        }
    }

    /// <summary>Writes a text as UTF-8.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="text">Its content.</param>
    /// <exception cref="LlasaException">The file cannot be written.</exception>
    public static void WriteText(string path, string text) => Write(path, temporary => File.WriteAllText(temporary, text));

    private static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The error that brought us here is the one to report.
        }
    }
}
