namespace LlasaNative.Configuration;

/// <summary>A value somebody wrote for a key.</summary>
/// <param name="Key">For example <c>rollout.temperature</c>.</param>
/// <param name="Value">The text of the value.</param>
/// <param name="Source">Where it was written: a file and line, or the name of a command-line option.</param>
public sealed record OptionAssignment(string Key, string Value, string Source)
{
    /// <summary>Reads what <c>--config</c> and <c>--set</c> were given, in the order in which they count.</summary>
    /// <param name="file">Path of a YAML file; null or empty = none.</param>
    /// <param name="set">Arguments <c>key=value</c>.</param>
    public static IEnumerable<OptionAssignment> Read(string? file, IEnumerable<string>? set) =>
        [.. string.IsNullOrEmpty(file) ? [] : OptionFile.Read(file), .. (set ?? []).Select(Parse)];

    /// <summary>Reads <c>key=value</c> as given to <c>--set</c>.</summary>
    /// <param name="text">The argument.</param>
    /// <exception cref="UsageException">There is no equals sign, or nothing before it.</exception>
    public static OptionAssignment Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var split = text.IndexOf('=', StringComparison.Ordinal);
        return split > 0
            ? new OptionAssignment(text[..split].Trim(), text[(split + 1)..].Trim(), "--set")
            : throw new UsageException($"--set: `{text}` is not key=value");
    }
}
