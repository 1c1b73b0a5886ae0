using System.Reflection;

namespace LlasaNative.Text;

/// <summary>Tables, pages and documents that are shipped inside an assembly.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
public static class EmbeddedText
{
    /// <summary>A whole resource, UTF-8.</summary>
    /// <param name="assembly">Whose.</param>
    /// <param name="name">Its name there.</param>
    /// <exception cref="InvalidOperationException">There is none of that name.</exception>
    public static string Read(Assembly assembly, string name)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        using Stream stream = assembly.GetManifestResourceStream(name) ?? throw new InvalidOperationException($"Resource {name} is missing from the assembly.");
        using StreamReader reader = new(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>Lines of a table, without empty ones and comments (they start with ';').</summary>
    internal static IEnumerable<string> ReadLines(string name) =>
        Read(typeof(EmbeddedText).Assembly, "LlasaNative.Text.Resources." + name).Split('\n').Where(line => line.Length > 0 && line[0] != ';');
}
