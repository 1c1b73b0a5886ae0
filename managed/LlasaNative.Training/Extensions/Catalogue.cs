namespace LlasaNative.Extensions;

/// <summary>The classes of one kind that come with the program, by name, beside those of anybody's assembly.</summary>
/// <typeparam name="T">What they implement.</typeparam>
/// <typeparam name="TSettings">What those of the program are made from.</typeparam>
/// <param name="kind">What one of them is, for messages.</param>
/// <param name="known">Name and how to make it.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
internal sealed class Catalogue<T, TSettings>(string kind, params (string Name, Func<TSettings, T> Create)[] known)
    where T : class
{
    /// <summary>Names of those that come with the program.</summary>
    public IReadOnlyList<string> Names { get; } = [.. known.Select(k => k.Name)];

    /// <summary>Makes one, with its own options set.</summary>
    /// <param name="name">As written in a configuration.</param>
    /// <param name="settings">The rest of the configuration.</param>
    /// <exception cref="UsageException">There is no such class, it cannot be made, or an option of its own is wrong.</exception>
    public T Create(string name, TSettings settings)
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

    /// <summary>Makes one, with its own options set.</summary>
    /// <param name="name">Its name, taken apart.</param>
    /// <param name="settings">The rest of the configuration.</param>
    /// <exception cref="UsageException">There is no such class, it cannot be made, or an option of its own is wrong.</exception>
    public T Create(ExtensionName name, TSettings settings)
    {
        T made;
        if (name.Library is null)
        {
            var entry = Array.Find(known, k => k.Name == name.Name);
            made = entry.Create is { } create
                ? create(settings)
                : throw new UsageException($"`{name.Name}` is neither one of {string.Join(", ", Names)} nor library.dll:Type");
        }
        else
        {
            made = File.Exists(name.Library)
                ? ExtensionLibrary.Create<T>(kind, name.Library, name.Type)
                : throw new UsageException($"`{name.Library}`: no such file");
        }

        OwnOptions.Set(made, name.Name, name.Options);
        return made;
    }
}
