using System.Reflection;
using System.Runtime.Loader;

namespace LlasaNative.Rewards;

/// <summary>Loads a component from somebody's assembly, with the libraries that lie beside it.</summary>
internal sealed class ComponentLibrary : AssemblyLoadContext
{
    private readonly AssemblyDependencyResolver _resolver;

    private ComponentLibrary(string path)
        : base(Path.GetFileName(path), isCollectible: false) => _resolver = new AssemblyDependencyResolver(path);

    /// <summary>Makes a component.</summary>
    /// <param name="library">Path of the assembly.</param>
    /// <param name="type">Full name of a class that implements <see cref="IRewardComponent"/>.</param>
    /// <exception cref="UsageException">The file is no assembly, or has no such class that can be made.</exception>
    public static IRewardComponent Create(string library, string type)
    {
        var what = $"reward component {library}:{type}";
        try
        {
            var path = Path.GetFullPath(library);
            var assembly = new ComponentLibrary(path).LoadFromAssemblyPath(path);
            var found = assembly.GetType(type, throwOnError: false)
                ?? throw new UsageException($"{what}: the assembly has no type of that name");
            return !typeof(IRewardComponent).IsAssignableFrom(found)
                ? throw new UsageException($"{what}: the type does not implement {typeof(IRewardComponent).FullName}")
                : (IRewardComponent)(Activator.CreateInstance(found) ?? throw new UsageException($"{what}: cannot be made"));
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
