using LlasaNative.Extensions;

namespace LlasaNative.Rewards;

/// <summary>Makes the components of <c>reward.components</c>: those of the program, those of a folder of engines, and anybody's.</summary>
internal static class RewardComponents
{
    /// <summary>Whether a component is the program's own: such a one neither throws nor hangs, and hears no sound.</summary>
    /// <param name="name">As written.</param>
    public static bool IsOwn(ExtensionName name) => name.Library is null && !IsEngine(name);

    /// <summary>Makes one, with its own options set.</summary>
    /// <param name="name">As written.</param>
    /// <exception cref="UsageException">There is none of that name, it cannot be made, or an option of its own is wrong.</exception>
    public static IRewardComponent Create(ExtensionName name) =>
        IsEngine(name) ? Engines.Create<IRewardComponent>(name) : Catalogue<IRewardComponent>.Create(name);

    private static bool IsEngine(ExtensionName name) =>
        name.Library is null && !Catalogue<IRewardComponent>.Names.Contains(name.Name) && Engines.Knows<IRewardComponent>(name.Name);
}
