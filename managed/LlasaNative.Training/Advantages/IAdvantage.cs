namespace LlasaNative.Training;

/// <summary>From the rewards of a step's samples to their advantages: what an algorithm is, besides its loss.</summary>
/// <remarks>
/// <para>One of your own: reference LlasaNative.Training.dll, give the class a public constructor without parameters, and name it
/// <c>loss.advantage: path/to/Mine.dll:Namespace.Class</c>. Properties with an <see cref="Configuration.OptionAttribute"/> are
/// options of its own, written in parentheses behind the name. It must be a pure function of its input, else a resumed run differs from an uninterrupted one.</para>
/// <para><b>Threads:</b> one at a time.</para>
/// </remarks>
/// <example>
/// <code>
/// public sealed class BestOfGroup : IAdvantage
/// {
///     public Advantages Compute(AdvantageBatch batch) => ...
/// }
/// </code>
/// </example>
public interface IAdvantage
{
    /// <summary>Whether a sample is compared with those of its group: then groups in which nothing differs can be left out or drawn again.</summary>
    bool ComparesGroups => true;

    /// <summary>Advantages of a step.</summary>
    /// <param name="batch">Its samples.</param>
    Advantages Compute(AdvantageBatch batch);

    /// <summary>The numbers by which the samples of a group are told apart; a group is without variance when all of them are.</summary>
    /// <param name="reward">The sample's reward, less what is charged to it.</param>
    /// <param name="parts">What the reward was added up from.</param>
    IReadOnlyList<double> Signals(double reward, IReadOnlyList<RewardPart> parts) => [reward];

    /// <summary>What contradicts it in a configuration, in the words of the configuration; empty when nothing does.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="rollout">How samples are drawn.</param>
    IEnumerable<string> Faults(LossOptions loss, RolloutOptions rollout) => [];
}
