using System.Runtime.InteropServices;

namespace LlasaNative.Reporting;

/// <summary>What a run was: its options, seed, program, machine. Written once when a run starts.</summary>
public static class RunManifest
{
    /// <summary>Writes the manifest.</summary>
    /// <param name="path">Path of the JSON file.</param>
    /// <param name="command">Name of the command, for example <c>train</c>.</param>
    /// <param name="options">Keys and values of all options.</param>
    /// <param name="device">What computes.</param>
    /// <exception cref="LlasaException">The file cannot be written.</exception>
    public static void Write(string path, string command, IEnumerable<KeyValuePair<string, string>> options, RunDevice device)
    {
        ArgumentNullException.ThrowIfNull(options);
        AtomicFile.WriteBytes(path, JsonWriting.ToFile(new
        {
            Command = command,
            Version = LlasaVersion.Text,
            Started = TimeProvider.System.GetUtcNow(),
            Runtime = RuntimeInformation.FrameworkDescription,
            System = RuntimeInformation.OSDescription,
            Device = device,
            Options = options.ToDictionary(),
        }));
    }
}
