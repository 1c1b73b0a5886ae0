namespace LlasaNative.Text;

/// <summary>Tables that are shipped inside the assembly.</summary>
internal static class EmbeddedText
{
    /// <summary>Lines of a table, without empty ones and comments (they start with ';').</summary>
    public static IEnumerable<string> ReadLines(string name)
    {
        using Stream stream = typeof(EmbeddedText).Assembly.GetManifestResourceStream("LlasaNative.Text.Resources." + name)
            ?? throw new InvalidOperationException($"Resource {name} is missing from the assembly.");
        using StreamReader reader = new(stream, Encoding.UTF8);
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != ';')
            {
                yield return line;
            }
        }
    }
}
