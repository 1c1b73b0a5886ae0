using System.Globalization;
using LlasaNative.Extensions;

namespace LlasaNative.Rewards;

/// <summary>Reads <c>reward.components</c>: <c>name=weight</c> or <c>name(option=value,...)=weight</c>, separated by commas.</summary>
internal static class ComponentList
{
    /// <summary>One entry: a built-in name, or a library and a type, with options of its own and a weight.</summary>
    public readonly record struct Entry(ExtensionName Name, double Weight);

    /// <summary>Splits the list.</summary>
    /// <param name="text">The value of <c>reward.components</c>.</param>
    /// <param name="faults">Receives everything that is wrong with it.</param>
    public static IReadOnlyList<Entry> Parse(string text, ICollection<string> faults)
    {
        List<Entry> entries = [];
        foreach (var part in ExtensionName.Split(text))
        {
            var split = part.LastIndexOf('=');
            if (split <= 0 || !double.TryParse(part[(split + 1)..], NumberStyles.Float, CultureInfo.InvariantCulture, out var weight) || !double.IsFinite(weight))
            {
                faults.Add($"`{part}` is not name=weight");
                continue;
            }

            try
            {
                Entry entry = new(ExtensionName.Parse(part[..split]), weight);
                foreach (var fault in Faults(entry.Name, entries))
                {
                    faults.Add(fault);
                }

                entries.Add(entry);
            }
            catch (FormatException e)
            {
                faults.Add(e.Message);
            }
        }

        if (entries.Count == 0 && faults.Count == 0)
        {
            faults.Add("no component is named");
        }

        return entries;
    }

    private static IEnumerable<string> Faults(ExtensionName name, List<Entry> before)
    {
        if (before.Exists(e => e.Name.Name == name.Name))
        {
            return [$"`{name.Name}` is named twice"];
        }

        if (name.Library is not null)   // made once the whole configuration is known to be right
        {
            return File.Exists(name.Library) ? [] : [$"`{name.Library}`: no such file"];
        }

        try
        {
            return Catalogue<IRewardComponent>.Create(name).Faults();
        }
        catch (UsageException e)
        {
            return [e.Message];
        }
    }
}
