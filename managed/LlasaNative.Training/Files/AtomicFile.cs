using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using LlasaNative.Weights;

namespace LlasaNative.Reporting;

/// <summary>Writes a file so that it is either complete or not there.</summary>
public static partial class AtomicFile
{
    private static int _writes;

    /// <summary>Writes beside the file, then renames; removes what it wrote when that fails.</summary>
    /// <param name="path">Path of the file; its directory is created. A link leads to the file that is written; a pipe or a device is written to, not replaced.</param>
    /// <param name="write">Writes the content to the path it is given.</param>
    /// <exception cref="ModelFileException">The file cannot be written.</exception>
    public static void Write(string path, Action<string> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        var target = Target(path);
        // A name of its own: two that write the same file at once must not take each other's away.
        var temporary = target is null ? path : $"{target}.{Environment.ProcessId}-{Interlocked.Increment(ref _writes)}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(temporary))!);
            write(temporary);
            if (target is not null)
            {
                File.Move(temporary, target, overwrite: true);
            }
        }
        catch (Exception e)
        {
            if (target is not null)
            {
                TryDelete(temporary);
            }

            if (FileErrors.IsWriteFailure(e))
            {
                throw FileErrors.Unwritable(path, e);
            }

            throw;
        }
    }

    /// <summary>The file that is replaced when a path is written: where its links lead; null for a pipe or a device, which a rename would take away.</summary>
    /// <param name="path">Any path; nothing need be there.</param>
    public static string? Target(string path) => IsPipeOrDevice(path) ? null : new FileInfo(path).LinkTarget is null ? path : RealPath.Of(path);

    /// <summary>Writes a text as UTF-8.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="text">Its content.</param>
    /// <exception cref="ModelFileException">The file cannot be written.</exception>
    public static void WriteText(string path, string text) => Write(path, temporary => File.WriteAllText(temporary, text));

    /// <summary>Writes bytes.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="bytes">Its content.</param>
    /// <exception cref="ModelFileException">The file cannot be written.</exception>
    public static void WriteBytes(string path, byte[] bytes) => Write(path, temporary => File.WriteAllBytes(temporary, bytes));

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

    // .NET does not tell a pipe from a file; the kernel's statx has the same layout on every machine.
    private static bool IsPipeOrDevice(string path)
    {
        const int CurrentDirectory = -100;
        const int ModeOffset = 28;
        const int KindMask = 0xF000;
        var status = new byte[256];
        return OperatingSystem.IsLinux() && NativeMethods.Statx(CurrentDirectory, Encoding.UTF8.GetBytes(path + "\0"), 0, 1, status) == 0
            && (BitConverter.ToUInt16(status, ModeOffset) & KindMask) is not (0x8000 or 0x4000);
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

    private static class NativeMethods
    {
        [DllImport("libc", EntryPoint = "statx")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Statx(int directory, byte[] path, int flags, uint mask, byte[] status);
    }
}
