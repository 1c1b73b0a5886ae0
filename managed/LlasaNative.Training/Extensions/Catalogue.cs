namespace LlasaNative.Extensions;

/// <summary>The classes of one kind that come with the program, by name, beside those of anybody's assembly.</summary>
/// <typeparam name="T">What they implement; those in its own assembly come with the program.</typeparam>
/// <remarks>
/// A class is called what is in front of the kind: of <c>IAdvantage</c>, <c>DrGrpoAdvantage</c> is <c>dr_grpo</c>. It is made by a constructor
/// that takes the settings of a run, or by one that takes nothing. <b>Threads:</b> any.
/// </remarks>
internal static class Catalogue<T>
    where T : class
{
    private static readonly string _kind = OptionNames.Of(typeof(T).Name[1..]);
    private static readonly SortedDictionary<string, Type> _known = new(
        typeof(T).Assembly.GetTypes().Where(t => t.IsClass && !t.IsAbstract && typeof(T).IsAssignableFrom(t)).ToDictionary(NameOf), StringComparer.Ordinal);

    /// <summary>Names of those that come with the program.</summary>
    public static IReadOnlyCollection<string> Names => _known.Keys;

    /// <summary>Makes one, with its own options set.</summary>
    /// <param name="name">As written in a configuration.</param>
    /// <param name="settings">The rest of the configuration.</param>
    /// <exception cref="UsageException">There is no such class, it cannot be made, or an option of its own is wrong.</exception>
    public static T Create(string name, object? settings = null)
    {
        try
        {
            return Create(ExtensionName.Parse(name), settings);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message, e);
        }
    }

    /// <inheritdoc cref="Create(string, object?)"/>
    public static T Create(ExtensionName name, object? settings = null)
    {
        T made;
        if (name.Library is not null)
        {
            made = ExtensionLibrary.Create<T>(_kind.Replace('_', ' '), name.Library, name.Type);
        }
        else
        {
            var type = _known.GetValueOrDefault(name.Name) ?? throw new UsageException($"`{name.Name}` is neither one of {string.Join(", ", Names)} nor library.dll:Type");
            made = (T)Activator.CreateInstance(type, settings is not null && type.GetConstructor([settings.GetType()]) is not null ? [settings] : [])!;
        }

        OwnOptions.Set(made, name.Name, name.Options);
        return made;
    }

    private static string NameOf(Type type)
    {
        var name = OptionNames.Of(type.Name);
        var noun = "_" + _kind[(_kind.LastIndexOf('_') + 1)..];
        return name.EndsWith(noun, StringComparison.Ordinal) ? name[..^noun.Length] : name;
    }
}
