using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.Loader;

namespace LlasaNative.Extensions;

/// <summary>Loads a class from somebody's assembly, with the libraries that lie beside it, managed and native.</summary>
internal sealed class ExtensionLibrary : AssemblyLoadContext
{
    // Each once: a library with a native one of its own keeps state there that two copies of it would fight over.
    private static readonly ConcurrentDictionary<string, Lazy<Assembly>> Loaded = new();

    private readonly AssemblyDependencyResolver _resolver;

    private ExtensionLibrary(string path)
        : base(Path.GetFileName(path), isCollectible: false) => _resolver = new AssemblyDependencyResolver(path);

    /// <summary>Makes an object.</summary>
    /// <typeparam name="T">What it must implement.</typeparam>
    /// <param name="what">What it is, for messages.</param>
    /// <param name="library">Path of the assembly.</param>
    /// <param name="type">Full name of the class; null for the one public class that implements it.</param>
    /// <exception cref="UsageException">The file is no assembly, or has no such class that can be made.</exception>
    public static T Create<T>(string what, string library, string? type)
        where T : class
    {
        what = type is null ? $"{what} {library}" : $"{what} {library}:{type}";
        try
        {
            var path = File.Exists(library) ? Path.GetFullPath(library) : throw new UsageException($"`{library}`: no such file");
            var assembly = Loaded.GetOrAdd(path, p => new(() => new ExtensionLibrary(p).LoadFromAssemblyPath(p))).Value;
            var found = type is null ? OnlyOne(assembly) : assembly.GetType(type, throwOnError: false)
                ?? throw new UsageException($"{what}: the assembly has no type of that name");
            return !typeof(T).IsAssignableFrom(found)
                ? throw new UsageException($"{what}: the type does not implement {typeof(T).FullName}")
                : (T)(Activator.CreateInstance(found) ?? throw new UsageException($"{what}: cannot be made"));
        }
        catch (TargetInvocationException e)
        {
            throw new UsageException($"{what}: its constructor threw {e.InnerException?.GetType().Name}: {e.InnerException?.Message}", e);
        }
        catch (Exception e) when (e is BadImageFormatException or IOException or UnauthorizedAccessException or MissingMethodException or MemberAccessException or TypeLoadException)
        {
            throw new UsageException($"{what}: {e.Message}", e);
        }

        Type OnlyOne(Assembly assembly)
        {
            Type[] all = [.. assembly.GetExportedTypes().Where(t => t.IsClass && !t.IsAbstract && typeof(T).IsAssignableFrom(t))];
            return all.Length == 1 ? all[0] : throw new UsageException(
                $"{what}: {all.Length} public classes implement {typeof(T).FullName}, expected one{string.Concat(all.Select((t, i) => (i == 0 ? ": " : ", ") + t.FullName))}");
        }
    }

    // What the program has is shared, above all this library: else the interface would be another type.
    protected override Assembly? Load(AssemblyName assemblyName) =>
        !ProgramHas(assemblyName) && _resolver.ResolveAssemblyToPath(assemblyName) is { } path ? LoadFromAssemblyPath(path) : null;

    protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
        _resolver.ResolveUnmanagedDllToPath(unmanagedDllName) is { } path ? LoadUnmanagedDllFromPath(path) : 0;

    private static bool ProgramHas(AssemblyName name)
    {
        try
        {
            return Default.LoadFromAssemblyName(name) is not null;
        }
        catch (Exception e) when (e is FileNotFoundException or FileLoadException)
        {
            return false;   // not at all, or not as new as it is asked for
        }
    }
}
