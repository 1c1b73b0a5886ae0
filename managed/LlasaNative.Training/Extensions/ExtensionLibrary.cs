using System.Reflection;
using System.Runtime.Loader;

namespace LlasaNative.Extensions;

/// <summary>Loads a class from somebody's assembly, with the libraries that lie beside it.</summary>
internal sealed class ExtensionLibrary : AssemblyLoadContext
{
    private readonly AssemblyDependencyResolver _resolver;

    private ExtensionLibrary(string path)
        : base(Path.GetFileName(path), isCollectible: false) => _resolver = new AssemblyDependencyResolver(path);

    /// <summary>Makes an object.</summary>
    /// <typeparam name="T">What it must implement.</typeparam>
    /// <param name="what">What it is, for messages.</param>
    /// <param name="library">Path of the assembly.</param>
    /// <param name="type">Full name of the class.</param>
    /// <exception cref="UsageException">The file is no assembly, or has no such class that can be made.</exception>
    public static T Create<T>(string what, string library, string type)
        where T : class
    {
        what = $"{what} {library}:{type}";
        try
        {
            var path = Path.GetFullPath(library);
            var assembly = new ExtensionLibrary(path).LoadFromAssemblyPath(path);
            var found = assembly.GetType(type, throwOnError: false)
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
    }

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        // What this process already has is shared, above all this library: else the interface would be another type.
        if (Default.Assemblies.Any(a => a.GetName().Name == assemblyName.Name))
        {
            return null;
        }

        return _resolver.ResolveAssemblyToPath(assemblyName) is { } path ? LoadFromAssemblyPath(path) : null;
    }
}
