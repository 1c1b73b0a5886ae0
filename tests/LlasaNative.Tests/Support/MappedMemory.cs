namespace LlasaNative.Tests.Support;

/// <summary>Memory that this process holds of files it has mapped.</summary>
internal static class MappedMemory
{
    /// <summary>Bytes of a file that are in the process's memory; the test is passed over where the system does not tell.</summary>
    public static long Of(string path)
    {
        const string Maps = "/proc/self/smaps";
        if (!File.Exists(Maps))
        {
            Assert.Ignore($"SKIPPED: no {Maps} on this system");
        }

        // The kernel writes names without links, of which the way to the last directory may have some.
        string name = $"/{Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(path)))}/{Path.GetFileName(path)}";
        (long bytes, bool inside) = (0, false);
        foreach (string line in File.ReadLines(Maps))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!words[0].EndsWith(':'))
            {
                inside = line.EndsWith(name, StringComparison.Ordinal);
            }
            else if (inside && words[0] == "Rss:")
            {
                bytes += long.Parse(words[1], System.Globalization.CultureInfo.InvariantCulture) << 10;
            }
        }

        return bytes;
    }
}
