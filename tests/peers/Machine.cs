using System.Globalization;

namespace LlasaNative.Peers;

/// <summary>What the machine is, and how busy others keep it.</summary>
internal static class Machine
{
    private const double TicksPerSecond = 100;

    public static string Processor => Field("/proc/cpuinfo", "model name");

    public static string Memory => Field("/proc/meminfo", "MemTotal");

    /// <summary>Processor seconds that all programs together have used.</summary>
    public static double BusySeconds()
    {
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        // user, nice, system, irq and softirq; not idle, not what another virtual machine had.
        return new[] { 1, 2, 3, 6, 7 }.Sum(i => double.Parse(fields[i], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    /// <summary>Processor seconds of this process and of the children that have ended.</summary>
    public static double OwnSeconds()
    {
        var stat = File.ReadAllText("/proc/self/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return fields[11..15].Sum(f => double.Parse(f, CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    private static string Field(string file, string name) =>
        File.ReadLines(file).FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";
}
