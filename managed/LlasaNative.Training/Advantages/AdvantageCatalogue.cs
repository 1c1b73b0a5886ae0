using LlasaNative.Extensions;

namespace LlasaNative.Training;

/// <summary>Every estimator of advantages that comes with the program: a class and a line each.</summary>
internal static class AdvantageCatalogue
{
    public const string Takes = "grpo, dr_grpo, rloo, reinforce_plus_plus, reinforce_plus_plus_baseline, gdpo, or library.dll:Type; options of its own in parentheses behind the name";

    public static readonly Catalogue<IAdvantage, LossOptions> All = new(
        "advantage",
        ("grpo", loss => new GrpoAdvantage { Epsilon = loss.AdvantageEpsilon }),
        ("dr_grpo", _ => new DrGrpoAdvantage()),
        ("rloo", _ => new RlooAdvantage()),
        ("reinforce_plus_plus", _ => new ReinforcePlusPlusAdvantage()),
        ("reinforce_plus_plus_baseline", _ => new ReinforcePlusPlusBaselineAdvantage()),
        ("gdpo", loss => new GdpoAdvantage { Epsilon = loss.AdvantageEpsilon }));

    /// <summary>The estimator of a run.</summary>
    /// <exception cref="UsageException">There is none of that name, or an option of its own is wrong.</exception>
    public static IAdvantage CreateAdvantage(this LossOptions loss) => All.Create(loss.Advantage, loss);

    /// <summary>What is wrong with the classes that a loss names, and with what they are to work on.</summary>
    public static IEnumerable<string> ClassFaults(this LossOptions loss, RolloutOptions rollout)
    {
        List<string> faults = [];
        Try("loss.objective", () => _ = loss.CreateLoss());
        Try("loss.advantage", () =>
        {
            var advantage = loss.CreateAdvantage();
            if (rollout.Dynamic && !advantage.ComparesGroups)
            {
                faults.Add($"`rollout.dynamic_rounds` of more than 1 contradicts `loss.advantage` {loss.Advantage}, for which groups do not matter");
            }

            faults.AddRange(advantage.Faults(loss, rollout));
        });
        return faults;

        void Try(string key, Action create)
        {
            try
            {
                create();
            }
            catch (UsageException e)
            {
                faults.Add($"`{key}`: {e.Message}");
            }
        }
    }
}
