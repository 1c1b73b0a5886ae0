namespace LlasaNative.Extensions;

/// <summary>Declares an option that names a class.</summary>
/// <typeparam name="T">What the class implements.</typeparam>
/// <inheritdoc/>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ClassOptionAttribute<T>(string help) : OptionAttribute(help)
    where T : class
{
    /// <inheritdoc/>
    public override string Takes => $"{string.Join(", ", Catalogue<T>.Names)}, or library.dll:Type; options of its own in parentheses behind the name";
}
