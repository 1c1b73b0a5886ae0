using LlasaNative.Extensions;

namespace LlasaNative.Training;

/// <summary>Every loss that comes with the program: a class and a line each.</summary>
internal static class LossCatalogue
{
    public const string Takes = "clipped, reinforce, or library.dll:Type; options of its own in parentheses behind the name";

    public static readonly Catalogue<ILoss, LossOptions> All = new(
        "loss",
        ("clipped", loss => new ClippedLoss(loss)),
        ("reinforce", loss => new ReinforceLoss(loss)));

    /// <summary>The loss of a run.</summary>
    /// <exception cref="UsageException">There is none of that name, or an option of its own is wrong.</exception>
    public static ILoss CreateLoss(this LossOptions loss) => All.Create(loss.Objective, loss);
}
