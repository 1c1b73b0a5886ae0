using System.Runtime.InteropServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

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
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("command", command);
            json.WriteString("version", LlasaVersion.Text);
            json.WriteString("started", TimeProvider.System.GetUtcNow());
            json.WriteString("runtime", RuntimeInformation.FrameworkDescription);
            json.WriteString("system", RuntimeInformation.OSDescription);
            json.WriteStartObject("device");
            json.WriteString("backend", device.Backend);
            json.WriteString("isa", device.Isa);
            json.WriteString("name", device.Name);
            json.WriteNumber("threads", device.Threads);
            json.WriteEndObject();
            json.WriteStartObject("options");
            foreach (var (key, value) in options)
            {
                json.WriteString(key, value);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        AtomicFile.WriteText(path, Encoding.UTF8.GetString(stream.ToArray()) + "\n");
    }
}
