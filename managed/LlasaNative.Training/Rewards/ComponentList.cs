using System.Globalization;

namespace LlasaNative.Rewards;

/// <summary>Reads <c>reward.components</c>: <c>name=weight</c>, separated by commas.</summary>
internal static class ComponentList
{
    /// <summary>One entry: a built-in name, or a library and a type, with a weight.</summary>
    public readonly record struct Entry(string Name, string? Library, string? Type, double Weight);

    /// <summary>Splits the list.</summary>
    /// <param name="text">The value of <c>reward.components</c>.</param>
    /// <param name="faults">Receives everything that is wrong with it.</param>
    public static IReadOnlyList<Entry> Parse(string text, ICollection<string> faults)
    {
        List<Entry> entries = [];
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var split = part.LastIndexOf('=');
            if (split <= 0 || !double.TryParse(part[(split + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var weight) || !double.IsFinite(weight))
            {
                faults.Add($"`{part}` is not name=weight");
                continue;
            }

            var name = part[..split].Trim();
            var type = name.LastIndexOf(".dll:", StringComparison.OrdinalIgnoreCase);
            Entry entry = type < 0 ? new(name, null, null, weight) : new(name, name[..(type + 4)], name[(type + 5)..], weight);
            if (Fault(entry, entries) is { } fault)
            {
                faults.Add(fault);
            }

            entries.Add(entry);
        }

        if (entries.Count == 0 && faults.Count == 0)
        {
            faults.Add("no component is named");
        }

        return entries;
    }

    private static string? Fault(Entry entry, List<Entry> before)
    {
        if (before.Exists(e => e.Name == entry.Name))
        {
            return $"`{entry.Name}` is named twice";
        }

        if (entry.Library is null)
        {
            return BuiltInComponents.Names.Contains(entry.Name)
                ? null
                : $"`{entry.Name}` is neither one of {string.Join(", ", BuiltInComponents.Names)} nor library.dll:Type";
        }

        return File.Exists(entry.Library) ? null : $"`{entry.Library}`: no such file";
    }
}
