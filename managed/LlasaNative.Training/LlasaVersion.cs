using System.Reflection;

namespace LlasaNative;

/// <summary>Version of this program.</summary>
public static class LlasaVersion
{
    /// <summary>As its packages are numbered, for example <c>0.1.0+abcdef</c>.</summary>
    public static string Text { get; } =
        typeof(LlasaVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
