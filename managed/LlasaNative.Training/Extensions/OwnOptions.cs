namespace LlasaNative.Extensions;

/// <summary>The options a class has of its own: its properties with an <see cref="OptionAttribute"/>.</summary>
/// <remarks><c>PitchLow</c> is written <c>pitch_low</c>; values are read as those of a run's own options are.</remarks>
internal static class OwnOptions
{
    /// <summary>Sets options.</summary>
    /// <param name="target">Whose.</param>
    /// <param name="name">What it is called, for messages.</param>
    /// <param name="options">Names and values; later ones win.</param>
    /// <exception cref="UsageException">There is no such option, or the value is none of it; the message lists every fault.</exception>
    public static void Set(object target, string name, IEnumerable<KeyValuePair<string, string>> options)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(options);
        var entries = OptionTree.Entries(target).ToDictionary(e => e.Key);
        List<string> faults = [];
        foreach (var (key, text) in options)
        {
            if (!entries.TryGetValue(key, out var entry))
            {
                faults.Add($"`{name}` has no option `{key}`; {(entries.Count == 0 ? "it has none" : "it has " + string.Join(", ", entries.Keys.Order(StringComparer.Ordinal)))}");
                continue;
            }

            try
            {
                entry.Set(text);
                faults.AddRange(entry.Fault() is { } fault ? [$"`{name}`: `{key}`: {fault}"] : []);
            }
            catch (FormatException e)
            {
                faults.Add($"`{name}`: `{key}`: {e.Message}");
            }
        }

        if (faults.Count > 0)
        {
            throw new UsageException(string.Join("; ", faults));
        }
    }
}
