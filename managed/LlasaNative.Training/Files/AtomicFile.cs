using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using LlasaNative.Weights;

namespace LlasaNative.Reporting;

/// <summary>Writes a file so that it is either complete or not there.</summary>
public static partial class AtomicFile
{
    private static int _writes;

    /// <summary>Writes beside the file, then renames; removes what it wrote when that fails.</summary>
    /// <param name="path">Path of the file; its directory is created.</param>
    /// <param name="write">Writes the content to the path it is given.</param>
    /// <exception cref="LlasaException">The file cannot be written.</exception>
    public static void Write(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        // A name of its own: two that write the same file at once must not take each other's away.
        var temporary = $"{path}.{Environment.ProcessId}-{Interlocked.Increment(ref _writes)}.tmp";
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

    /// <summary>Removes what processes that were killed while they wrote left in a directory; what cannot be removed stays.</summary>
    /// <param name="directory">The directory, without those below it; need not exist.</param>
    public static void RemoveLeftovers(string directory)
    {
        if (!Directory.Exists(directory))
        {
            return;
        }

        foreach (var path in Directory.EnumerateFiles(directory, "*.tmp"))
        {
            if (Leftover().Match(Path.GetFileName(path)) is { Success: true } match
                && int.TryParse(match.Groups["process"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var process) && !IsRunning(process))
            {
                TryDelete(path);
            }
        }
    }

    [GeneratedRegex(@"\.(?<process>[0-9]+)-[0-9]+\.tmp$")]
    private static partial Regex Leftover();

    private static bool IsRunning(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            return !found.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

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
