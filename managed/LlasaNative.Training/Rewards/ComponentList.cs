using LlasaNative.Extensions;

namespace LlasaNative.Rewards;

/// <summary>Reads <c>reward.components</c>: <c>name=weight</c> or <c>name(option=value,...)=weight</c>, separated by commas.</summary>
internal static class ComponentList
{
    /// <summary>One entry: a built-in name, an engine's, or a library and a type, with options of its own and a weight.</summary>
    /// <param name="Name">As written.</param>
    /// <param name="Label">What tells it from others: of an engine, which may be named several times, what it calls itself.</param>
    /// <param name="Weight">Its weight.</param>
    public readonly record struct Entry(ExtensionName Name, string Label, double Weight);

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
                var name = ExtensionName.Parse(part[..split]);
                var (label, found) = Examine(name);
                foreach (var fault in entries.Exists(e => e.Label == label) ? [$"`{label}` is named twice"] : found)
                {
                    faults.Add(fault);
                }

                entries.Add(new(name, label, weight));
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

    private static (string Label, IEnumerable<string> Faults) Examine(ExtensionName name)
    {
        if (name.Library is not null)   // made once the whole configuration is known to be right
        {
            return (name.Name, File.Exists(name.Library) ? [] : [$"`{name.Library}`: no such file"]);
        }

        try
        {
            var component = RewardComponents.Create(name);
            return (RewardComponents.IsOwn(name) ? name.Name : component.Name, component.Faults());
        }
        catch (UsageException e)
        {
            return (name.Name, [e.Message]);
        }
    }
}
