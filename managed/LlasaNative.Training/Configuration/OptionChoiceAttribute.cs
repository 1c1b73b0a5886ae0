namespace LlasaNative.Configuration;

/// <summary>Declares, on a base record, one of the records that an option of that type can be, by the name people choose it with.</summary>
/// <remarks>The chosen record's own options follow the option's key: <c>loss.advantage: {name: grpo, epsilon: 0.1}</c>, or <c>--set loss.advantage.epsilon=0.1</c>.</remarks>
/// <param name="name">As written in a configuration.</param>
/// <param name="type">A record derived from the base, with a constructor without parameters.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Interface, AllowMultiple = true, Inherited = false)]
public sealed class OptionChoiceAttribute(string name, Type type) : Attribute
{
    /// <summary>As written in a configuration.</summary>
    public string Name => name;

    /// <summary>The record.</summary>
    public Type Type => type;
}
