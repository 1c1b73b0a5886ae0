using System.Globalization;
using System.Text.Json;

namespace LlasaNative.EndToEnd.Tests.Faults;

/// <summary>How long the fault suite may take, and where its counts go; <c>./build.sh faults</c> sets the variables.</summary>
internal static class FaultSettings
{
    private static readonly JsonSerializerOptions _indented = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>Kills of the long version (<c>LLASA_FAULT_KILLS</c>); 0 in the ordinary tests, which run a short version of everything.</summary>
    public static int Kills => Number("LLASA_FAULT_KILLS", 0);

    /// <summary>Whether this is the long version.</summary>
    public static bool IsLong => Kills > 0;

    /// <summary>Chooses everything that is left to chance (<c>LLASA_FAULT_SEED</c>).</summary>
    public static int Seed => Number("LLASA_FAULT_SEED", 1);

    /// <summary>Writes what was counted to a file of the folder that <c>LLASA_FAULT_REPORTS</c> names; nothing without it.</summary>
    public static void Report(string name, object counts)
    {
        var json = JsonSerializer.Serialize(counts, _indented);
        TestContext.Out.WriteLine($"{name}: {json}");
        if (Environment.GetEnvironmentVariable("LLASA_FAULT_REPORTS") is { Length: > 0 } folder)
        {
            File.WriteAllText(Path.Combine(folder, $"{name}.json"), json + "\n");
        }
    }

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number) ? number : otherwise;
}
