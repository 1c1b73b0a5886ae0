using System.Collections.Concurrent;
using System.Reflection;

namespace LlasaNative.Configuration;

/// <summary>Walks options records by what <see cref="OptionAttribute"/> declares on their properties: reads, sets and checks them.</summary>
/// <remarks><b>Threads:</b> any, on different records.</remarks>
public static class OptionTree
{
    private static readonly ConcurrentDictionary<Type, (PropertyInfo Property, OptionAttribute Declared)[]> _declared = new();

    /// <summary>Every option, section by section, in the order of declaration.</summary>
    /// <param name="options">An options record.</param>
    public static IReadOnlyList<OptionEntry> Entries(object options) => [.. Walk(options).Select(n => n.Entry).OfType<OptionEntry>()];

    /// <summary>Every value as text, by key.</summary>
    /// <param name="options">An options record.</param>
    public static IReadOnlyDictionary<string, string> Values(object options) => Entries(options).ToDictionary(e => e.Key, e => e.Value);

    /// <summary>Applies assignments in order to the defaults and checks the outcome.</summary>
    /// <typeparam name="T">The options record.</typeparam>
    /// <param name="assignments">Later ones win.</param>
    /// <returns>Options without a fault.</returns>
    /// <exception cref="UsageException">There are faults; the message lists all of them.</exception>
    public static T Build<T>(IEnumerable<OptionAssignment> assignments)
        where T : class, new()
    {
        ArgumentNullException.ThrowIfNull(assignments);
        T options = new();
        List<string> faults = [];
        Dictionary<string, string> sources = [];
        // What names a preset stands in no section, and comes before what the preset sets.
        var written = assignments.ToLookup(a => a.Key.Contains('.', StringComparison.Ordinal));
        Apply(written[false]);
        Apply([.. options is IPresetOptions preset ? preset.Preset() : [], .. written[true]]);
        faults.AddRange(Faults(options, sources));
        return faults.Count == 0 ? options : throw new UsageException(string.Join("; ", faults));

        void Apply(IEnumerable<OptionAssignment> chosen)
        {
            foreach (var assignment in chosen)
            {
                var entries = Entries(options);
                var entry = entries.FirstOrDefault(e => e.Key == assignment.Key);
                if (entry is null)
                {
                    faults.Add($"{assignment.Source}: " + Unknown(assignment.Key, options, entries));
                    continue;
                }

                try
                {
                    entry.Set(assignment.Value);
                    sources[entry.Key] = assignment.Source;
                }
                catch (FormatException e)
                {
                    faults.Add($"{assignment.Source}: `{entry.Key}`: {e.Message}, expected {entry.Takes}");
                }
            }
        }
    }

    /// <summary>Everything that is wrong with a set of options; empty when nothing is.</summary>
    /// <param name="options">The options.</param>
    public static IReadOnlyList<string> Faults(object options) => Faults(options, []);

    /// <summary>The options that a record, or a section of it, had in earlier versions.</summary>
    internal static IEnumerable<RemovedOptionAttribute> Removed(object options) =>
        Walk(options).Where(n => n.Record is not null).SelectMany(n => n.Record!.GetType().GetCustomAttributes<RemovedOptionAttribute>());

    /// <summary>Sections, each before what it holds, and options; the root is a section without a key.</summary>
    internal static IEnumerable<OptionNode> Walk(object options) => Walk(options, new OptionNode("", "", options, null), "", false);

    private static IEnumerable<OptionNode> Walk(object record, OptionNode head, string prefix, bool free)
    {
        yield return head;
        foreach (var (property, declared) in _declared.GetOrAdd(record.GetType(), Declared))
        {
            var key = prefix + (declared.Name ?? OptionNames.Of(property.Name));
            if (property.PropertyType.IsValueType || property.PropertyType == typeof(string))
            {
                yield return new OptionNode(key, declared.Help, null, new OptionEntry(key, record, property, declared, free));
                continue;
            }

            var section = property.GetValue(record)!;
            foreach (var below in Walk(section, new OptionNode(key, declared.Help, section, null), key + ".", free || declared.FreeOnResume))
            {
                yield return below;
            }
        }
    }

    // A base record's options come first.
    private static (PropertyInfo Property, OptionAttribute Declared)[] Declared(Type type) =>
        [.. type.GetProperties().Where(p => p.IsDefined(typeof(OptionAttribute))).OrderBy(p => p.DeclaringType == type).ThenBy(p => p.MetadataToken)
            .Select(p => (p, p.GetCustomAttribute<OptionAttribute>()!))];

    private static List<string> Faults(object options, Dictionary<string, string> sources)
    {
        OptionNode[] nodes = [.. Walk(options)];
        return
        [
            .. nodes.Select(n => n.Entry?.Fault() is { } fault ? (sources.TryGetValue(n.Key, out var source) ? $"{source}: " : "") + $"`{n.Key}`: {fault}" : null).OfType<string>(),
            .. nodes.Select(n => n.Record).OfType<ICheckedOptions>().SelectMany(r => r.Faults()),
        ];
    }

    private static string Unknown(string key, object options, IReadOnlyList<OptionEntry> entries) =>
        Removed(options).FirstOrDefault(r => r.Key == key) is { } removed ? $"`{key}` is no option any more: {removed.Instead}"
        : Removed(options).FirstOrDefault(r => IsVerl(r.Verl, key)) is { } theirs ? $"unknown key `{key}`: {theirs.Instead}"
        : $"unknown key `{key}`, did you mean `{Nearest(key, entries)}`?";

    private static bool IsVerl(string? name, string key) => name is not null && (name == key || name.EndsWith("." + key, StringComparison.Ordinal));

    /// <summary>The nearest key: by verl's name; of the same section when that exists; of any by its bare name when none was written.</summary>
    private static string Nearest(string key, IReadOnlyList<OptionEntry> entries)
    {
        if (entries.FirstOrDefault(e => IsVerl(e.Declared.Verl, key)) is { } theirs)
        {
            return theirs.Key;
        }

        var keys = entries.Select(e => e.Key);
        var dot = key.LastIndexOf('.');
        if (dot < 0)
        {
            return keys.MinBy(k => Edits(key, k[(k.LastIndexOf('.') + 1)..]))!;
        }

        string[] section = [.. keys.Where(k => k.StartsWith(key[..(dot + 1)], StringComparison.Ordinal))];
        return (section.Length > 0 ? section : keys).MinBy(k => Edits(key, k))!;
    }

    private static int Edits(string a, string b) => EditDistance.Compute([.. a.Select(c => (int)c)], [.. b.Select(c => (int)c)]);
}
