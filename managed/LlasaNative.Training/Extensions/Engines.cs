namespace LlasaNative.Extensions;

/// <summary>Engines by name: those of the program, those in a folder <c>engines/NAME</c> beside it, and anybody's <c>library.dll:Type</c>.</summary>
/// <remarks>
/// Such a folder is what <c>dotnet publish</c> makes of a class library: its assembly, the one with a <c>.deps.json</c>, has one public
/// class that implements what is asked for, and all that it needs and the program lacks lies beside it. <b>Threads:</b> any.
/// </remarks>
public static class Engines
{
    /// <summary>Environment variable that names another folder of engines; it is looked through first.</summary>
    public const string Variable = "LLASA_ENGINES";

    // Those that this project publishes and the program does not carry, and what is asked of each.
    private static readonly Dictionary<string, (string Package, string Port)> Packages = new()
    {
        ["onnx"] = ("LlasaNative.Onnx", "IRewardComponent"),
        ["torch"] = ("LlasaNative.TorchSharp", "ITrainerEngine"),
        ["whispernet"] = ("LlasaNative.WhisperNet", "IRecogniserEngine"),
    };

    /// <summary>Makes an engine, with its own options set.</summary>
    /// <typeparam name="T">What it makes: its factory.</typeparam>
    /// <param name="key">The option that names it, for messages.</param>
    /// <param name="text">Its name, options of its own in parentheses behind it.</param>
    /// <param name="own">Those that the program carries.</param>
    /// <exception cref="UsageException">There is no such engine, it cannot be made, or an option of its own is wrong.</exception>
    public static T Create<T>(string key, string text, params (string Name, Func<T> Create)[] own)
        where T : class => Create(key, text, Roots(), own);

    /// <summary>The same, with the folders that are looked through.</summary>
    internal static T Create<T>(string key, string text, IEnumerable<string> roots, params (string Name, Func<T> Create)[] own)
        where T : class
    {
        try
        {
            return Create(ExtensionName.Parse(text), roots, own);
        }
        catch (Exception e) when (e is UsageException or FormatException)
        {
            throw new UsageException($"`{key}`: {e.Message}", e);
        }
    }

    /// <summary>The same, of a name that was read.</summary>
    internal static T Create<T>(ExtensionName name, IEnumerable<string>? roots = null, params (string Name, Func<T> Create)[] own)
        where T : class
    {
        var engine = Array.Find(own, o => name.Library is null && o.Name == name.Name).Create?.Invoke()
            ?? (name.Library is null
                ? ExtensionLibrary.Create<T>("engine", Find(name.Name, roots ?? Roots(), [.. own.Select(o => o.Name)], typeof(T).Name), type: null)
                : ExtensionLibrary.Create<T>("engine", name.Library, name.Type));
        OwnOptions.Set(engine, name.Name, name.Options);
        return engine;
    }

    /// <summary>Whether a name is that of an engine: one that can be had, or a folder that is there.</summary>
    /// <typeparam name="T">What it makes.</typeparam>
    internal static bool Knows<T>(string name) => (Packages.TryGetValue(name, out var known) && known.Port == typeof(T).Name)
        || (name.Length > 0 && name == Path.GetFileName(name) && Roots().Any(root => Directory.Exists(Path.Combine(root, name))));

    /// <summary>The assembly of an engine in a folder.</summary>
    private static string Find(string name, IEnumerable<string> roots, IReadOnlyList<string> own, string port)
    {
        if (name.Length == 0 || name != Path.GetFileName(name))
        {
            throw new UsageException($"`{name}` is neither {string.Join(", ", own)}, nor the name of a folder of engines/, nor library.dll:Type");
        }

        string[] folders = [.. roots.Select(root => Path.Combine(root, name))];
        if (Array.Find(folders, Directory.Exists) is not { } folder)
        {
            throw new UsageException(
                $"there is no engine `{name}`: {(own.Count > 0 ? $"it is not {string.Join(" or ", own)}, and " : "")}this is not there: {string.Join(", ", folders)}; "
                + (Packages.TryGetValue(name, out var known) && known.Port == port
                    ? $"`./build.sh engine-{name}` of the sources makes one, and docs/extending.md says how to make it of the NuGet package {known.Package}"
                    : $"engines that can be had are {string.Join(", ", own.Concat(Packages.Where(p => p.Value.Port == port).Select(p => p.Key)))}"));
        }

        const string Suffix = ".deps.json";
        string[] assemblies = [.. Directory.GetFiles(folder, "*" + Suffix).Select(f => f[..^Suffix.Length] + ".dll")];
        return assemblies.Length == 1
            ? assemblies[0]
            : throw new UsageException($"engine `{name}`: {folder} holds {assemblies.Length} files *{Suffix}, expected that of one assembly, as `dotnet publish` leaves it");
    }

    private static IEnumerable<string> Roots()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            yield return Path.GetFullPath(named);
        }

        yield return Path.Combine(AppContext.BaseDirectory, "engines");
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LlasaNative.sln")))
            {
                yield return Path.Combine(folder.FullName, "build", "engines");
            }
        }
    }
}
