namespace LlasaNative.Configuration;

/// <summary>Writes down every option of a record with its default: as a configuration file, and as tables to read.</summary>
public static class OptionDocument
{
    /// <summary>The commented configuration file.</summary>
    /// <param name="options">Defaults.</param>
    /// <param name="head">Lines of the head comment.</param>
    public static string ToYaml(object options, string head)
    {
        ArgumentNullException.ThrowIfNull(head);
        StringBuilder text = new();
        foreach (var line in head.Split('\n'))
        {
            text.Append(line.Length == 0 ? "#" : "# ").Append(line).Append('\n');
        }

        foreach (var (key, help, _, entry) in OptionTree.Walk(options).Skip(1))
        {
            var depth = key.Count(c => c == '.');
            string indent = new(' ', 2 * depth);
            text.Append(depth == 0 ? "\n" : "").Append(indent).Append("# ").Append(help).Append(Notes(entry)).Append('\n')
                .Append(indent).Append(Last(key)).Append(':').Append(entry is null ? "" : " " + Quote(entry.Value)).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>A Markdown table for each section, and one of what is no option any more.</summary>
    /// <param name="options">Defaults.</param>
    public static string ToMarkdown(object options)
    {
        StringBuilder text = new();
        var inTable = false;
        foreach (var node in OptionTree.Walk(options).Skip(1))
        {
            if (node.Entry is null)
            {
                text.Append("\n## ").Append(node.Key).Append("\n\n").Append(node.Help).Append('\n');
                inTable = false;
                continue;
            }

            if (!inTable)
            {
                text.Append("\n| key | default | takes | meaning | in verl |\n|---|---|---|---|---|\n");
                inTable = true;
            }

            Row(text, node.Entry);
        }

        var removed = OptionTree.Removed(options).OrderBy(r => r.Key, StringComparer.Ordinal).ToArray();
        text.Append(removed.Length == 0 ? "" : "\n## No more\n\n| key | instead |\n|---|---|\n");
        foreach (var gone in removed)
        {
            text.Append("| `").Append(gone.Key).Append("` | ").Append(gone.Instead).Append(" |\n");
        }

        return text.ToString();
    }

    private static void Row(StringBuilder text, OptionEntry entry) =>
        text.Append("| `").Append(entry.Key).Append('`').Append(entry.FreeOnResume || entry.Declared.FreeOnResumeWhen is not null ? " ↻" : "")
            .Append(" | `").Append(entry.Value.Length == 0 ? "\"\"" : entry.Value).Append("` | ").Append(entry.Takes).Append(" | ").Append(entry.Declared.Help)
            .Append(" | ").Append(entry.Declared.Verl is { } verl ? $"`{verl}`" : "").Append(" |\n");

    private static string Notes(OptionEntry? entry) => entry is null ? "" : $" ({entry.Takes}{(entry.Declared.Verl is { } verl ? $"; verl: {verl}" : "")})";

    private static string Last(string key) => key[(key.LastIndexOf('.') + 1)..];

    private static string Quote(string value) =>
        value.Length > 0 && value.All(c => char.IsAsciiLetterOrDigit(c) || "._-+/".Contains(c, StringComparison.Ordinal)) ? value
        : $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
