namespace LlasaNative.Extensions;

/// <summary>How a class is named in a configuration: <c>name</c> or <c>library.dll:Type</c>, each with options in parentheses or without.</summary>
/// <param name="Name">The name, options left out.</param>
/// <param name="Library">Path of the assembly; null for what comes with the program.</param>
/// <param name="Type">Full name of the class in it; empty without a library.</param>
/// <param name="Options">Its own options, as written.</param>
internal sealed record ExtensionName(string Name, string? Library, string Type, IReadOnlyList<KeyValuePair<string, string>> Options)
{
    /// <summary>Reads a name.</summary>
    /// <param name="text">For example <c>gdpo(epsilon=1e-4, whiten=false)</c>.</param>
    /// <exception cref="FormatException">What is in parentheses is no list of options.</exception>
    public static ExtensionName Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = text.Trim();
        var open = text.IndexOf('(', StringComparison.Ordinal);
        if (open >= 0 && !text.EndsWith(')'))
        {
            throw new FormatException($"`{text}`: the parenthesis is not closed");
        }

        var name = (open < 0 ? text : text[..open]).Trim();
        List<KeyValuePair<string, string>> options = [];
        foreach (var part in Split(open < 0 ? "" : text[(open + 1)..^1]))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            options.Add(equals > 0
                ? new(part[..equals].Trim(), part[(equals + 1)..].Trim())
                : throw new FormatException($"`{name}`: `{part}` is not option=value"));
        }

        var type = name.LastIndexOf(".dll:", StringComparison.OrdinalIgnoreCase);
        return type < 0 ? new(name, null, "", options) : new(name, name[..(type + 4)], name[(type + 5)..], options);
    }

    /// <summary>The entries of a list with commas between them; commas in parentheses belong to an entry.</summary>
    /// <param name="text">The list.</param>
    public static IEnumerable<string> Split(string text)
    {
        var (depth, from) = (0, 0);
        for (var i = 0; i <= text.Length; i++)
        {
            depth += i < text.Length && text[i] == '(' ? 1 : i < text.Length && text[i] == ')' ? -1 : 0;
            if (i < text.Length && (text[i] != ',' || depth > 0))
            {
                continue;
            }

            var entry = text[from..i].Trim();
            from = i + 1;
            if (entry.Length > 0)
            {
                yield return entry;
            }
        }
    }
}
