using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace LlasaNative.Weights;

/// <summary>Makes files and directory entries survive a power cut.</summary>
public static class DurableFiles
{
    /// <summary>Flushes every file below a directory, then every directory, deepest first.</summary>
    /// <param name="directory">An existing directory.</param>
    public static void FlushTree(string directory)
    {
        foreach (string file in Directory.EnumerateFiles(directory))
        {
            using SafeFileHandle handle = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            RandomAccess.FlushToDisk(handle);
        }

        foreach (string child in Directory.EnumerateDirectories(directory))
        {
            FlushTree(child);
        }

        FlushDirectory(directory);
    }

    /// <summary>Flushes the entries of one directory; Windows does so by itself.</summary>
    /// <param name="directory">An existing directory.</param>
    public static void FlushDirectory(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        // .NET opens no directories, and a rename is durable only when its directory has been flushed.
        byte[] path = Encoding.UTF8.GetBytes(directory + "\0");
        int descriptor = NativeMethods.Open(path, 0);
        if (descriptor >= 0)
        {
            _ = NativeMethods.FSync(descriptor);
            _ = NativeMethods.Close(descriptor);
        }
    }

    /// <summary>Writes a small text file so that readers see the old or the new content, never a part.</summary>
    /// <param name="path">Path of the file.</param>
    /// <param name="text">What it will hold.</param>
    public static void ReplaceText(string path, string text)
    {
        string temporary = path + ".tmp";
        try
        {
            using (SafeFileHandle handle = File.OpenHandle(temporary, FileMode.Create, FileAccess.Write))
            {
                RandomAccess.Write(handle, Encoding.UTF8.GetBytes(text), 0);
                RandomAccess.FlushToDisk(handle);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        FlushDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    private static class NativeMethods
    {
        [DllImport("libc", EntryPoint = "open")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Open(byte[] path, int flags);

        [DllImport("libc", EntryPoint = "fsync")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int FSync(int descriptor);

        [DllImport("libc", EntryPoint = "close")]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Close(int descriptor);
    }
}
