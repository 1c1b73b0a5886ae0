using System.Text;

namespace LlasaNative.Training;

/// <summary>All configurable values of an options record, in the order of the reference file.</summary>
/// <typeparam name="T">The options record.</typeparam>
/// <remarks><b>Threads:</b> immutable once built.</remarks>
public sealed class OptionTable<T>
    where T : class, new()
{
    private readonly List<OptionEntry<T>> _entries = [];
    private readonly List<(string Name, string Title)> _sections = [];
    private readonly Func<T, IEnumerable<string>> _crossChecks;
    private Func<string, IEnumerable<KeyValuePair<string, string>>>? _preset;

    internal OptionTable(Func<T, IEnumerable<string>> crossChecks) => _crossChecks = crossChecks;

    /// <summary>Every value, section by section.</summary>
    public IReadOnlyList<OptionEntry<T>> Entries => _entries;

    /// <summary>Declares the one key without a section: a name for many values, which are set before any other.</summary>
    internal OptionTable<T> Preset<TEnum>(
        string key, string help, Func<T, TEnum> get, Func<T, TEnum, T> set, Func<TEnum, IEnumerable<KeyValuePair<string, string>>> values)
        where TEnum : struct, Enum
    {
        _preset = name => values(OptionNames.Parse<TEnum>(name));
        _entries.Add(new OptionEntry<T>(
            key, help, string.Join(", ", Enum.GetValues<TEnum>().Select(OptionNames.Of)), o => OptionNames.Of(get(o)), (o, text) => set(o, OptionNames.Parse<TEnum>(text)), _ => null));
        return this;
    }

    internal OptionTable<T> Section<TSection>(
        string name, string title, Func<T, TSection> get, Func<T, TSection, T> set, Action<OptionSection<T, TSection>> fill)
    {
        _sections.Add((name, title));
        fill(new OptionSection<T, TSection>(name, get, set, _entries));
        return this;
    }

    /// <summary>Applies assignments in order to the defaults and checks the outcome.</summary>
    /// <param name="assignments">Later ones win.</param>
    /// <returns>Options without a fault.</returns>
    /// <exception cref="UsageException">There are faults; the message lists all of them.</exception>
    public T Build(IEnumerable<OptionAssignment> assignments)
    {
        ArgumentNullException.ThrowIfNull(assignments);
        T options = new();
        List<string> faults = [];
        foreach (var (key, value, source) in WithPreset([.. assignments]))
        {
            var entry = _entries.Find(e => e.Key == key);
            if (entry is null)
            {
                faults.Add($"{source}: unknown key `{key}`, did you mean `{Nearest(key)}`?");
                continue;
            }

            try
            {
                options = entry.Set(options, value);
            }
            catch (FormatException e)
            {
                faults.Add($"{source}: `{key}`: {e.Message}, expected {entry.Allowed}");
            }
        }

        faults.AddRange(Faults(options));
        return faults.Count == 0 ? options : throw new UsageException(string.Join("; ", faults));
    }

    /// <summary>Everything that is wrong with a set of options; empty when nothing is.</summary>
    /// <param name="options">The options.</param>
    public IReadOnlyList<string> Faults(T options)
    {
        ArgumentNullException.ThrowIfNull(options);
        List<string> faults = [];
        foreach (var entry in _entries)
        {
            if (entry.Check(options) is { } fault)
            {
                faults.Add($"`{entry.Key}`: {fault}");
            }
        }

        faults.AddRange(_crossChecks(options));
        return faults;
    }

    /// <summary>The commented reference file: every key with its default.</summary>
    /// <param name="head">Lines of the head comment.</param>
    public string WriteReference(string head)
    {
        ArgumentNullException.ThrowIfNull(head);
        StringBuilder text = new();
        foreach (var line in head.Split('\n'))
        {
            text.Append(line.Length == 0 ? "#" : "# ").Append(line).Append('\n');
        }

        T defaults = new();
        foreach (var entry in _entries.Where(e => !e.Key.Contains('.', StringComparison.Ordinal)))
        {
            text.Append("\n# ").Append(entry.Help).Append(" (").Append(entry.Allowed).Append(")\n").Append(entry.Key).Append(": ").Append(Quote(entry.Get(defaults))).Append('\n');
        }

        foreach (var (name, title) in _sections)
        {
            text.Append('\n').Append("# ").Append(title).Append('\n').Append(name).Append(":\n");
            foreach (var entry in _entries.Where(e => e.Key.StartsWith(name + ".", StringComparison.Ordinal)))
            {
                text.Append("  # ").Append(entry.Help).Append(" (").Append(entry.Allowed).Append(")\n  ")
                    .Append(entry.Key[(name.Length + 1)..]).Append(": ").Append(Quote(entry.Get(defaults))).Append('\n');
            }
        }

        return text.ToString();
    }

    /// <summary>The assignments of the last preset that is named, then all that were written down.</summary>
    private IEnumerable<OptionAssignment> WithPreset(IReadOnlyList<OptionAssignment> assignments)
    {
        if (_preset is null || assignments.LastOrDefault(a => !a.Key.Contains('.', StringComparison.Ordinal) && _entries.Exists(e => e.Key == a.Key)) is not { } named)
        {
            return assignments;
        }

        try
        {
            return [.. _preset(named.Value).Select(p => new OptionAssignment(p.Key, p.Value, $"{named.Key} {named.Value}")), .. assignments];
        }
        catch (FormatException)
        {
            return assignments;   // said when the assignment itself is read
        }
    }

    private static string Quote(string value) =>
        value.Length > 0 && value.All(c => char.IsAsciiLetterOrDigit(c) || "._-+/".Contains(c, StringComparison.Ordinal)) ? value : $"\"{value}\"";

    /// <summary>The nearest key: of the same section when that exists, of any by its bare name when none was written.</summary>
    private string Nearest(string key)
    {
        var dot = key.IndexOf('.', StringComparison.Ordinal);
        var keys = _entries.Select(e => e.Key);
        if (dot < 0)
        {
            return keys.MinBy(k => OptionNames.Distance(key, k[(k.IndexOf('.', StringComparison.Ordinal) + 1)..]))!;
        }

        string[] section = [.. keys.Where(k => k.StartsWith(key[..(dot + 1)], StringComparison.Ordinal))];
        return (section.Length > 0 ? section : keys).MinBy(k => OptionNames.Distance(key, k))!;
    }
}
