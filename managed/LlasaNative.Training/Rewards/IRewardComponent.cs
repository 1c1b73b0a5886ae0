namespace LlasaNative.Rewards;

/// <summary>One part of a reward. Parts are added up, each with the weight it has in <c>reward.components</c>.</summary>
/// <remarks>
/// <para>An implementation of your own: reference LlasaNative.Training.dll, give the class a public constructor without parameters, and
/// name it <c>path/to/Mine.dll:Namespace.Class=weight</c>. Properties with an
/// <see cref="Configuration.OptionAttribute"/> (numbers, flags, texts) are options of its own: <c>MinSeconds</c> is set by
/// <c>path/to/Mine.dll:Namespace.Class(min_seconds=2)=weight</c>. It must be a pure function of its input, else a resumed run differs
/// from an uninterrupted one. What happens when it throws, hangs or returns NaN is <c>reward.on_failure</c>'s business.</para>
/// <para><b>Threads:</b> called by one thread at a time, not always the same.</para>
/// </remarks>
/// <example>
/// <code>
/// public sealed class SlowSpeech : IRewardComponent
/// {
///     public string Name => "slow";
///     public double Score(RewardInput input) => input.Formula.CharactersPerSecond is &lt; 12 ? 1 : 0;
/// }
/// </code>
/// </example>
public interface IRewardComponent
{
    /// <summary>What it is called in metrics, samples and messages.</summary>
    string Name { get; }

    /// <summary>Whether it reads <see cref="SpeechSample.Prosody"/>, which is measured for those that do.</summary>
    bool NeedsProsody => false;

    /// <summary>What is wrong with its own options together; empty when nothing is.</summary>
    IEnumerable<string> Faults() => [];

    /// <summary>Judges one sample.</summary>
    /// <param name="input">What is known about it.</param>
    /// <returns>A finite number; the built-in ones stay within -1 and 1.</returns>
    double Score(RewardInput input);

    /// <summary>Most samples that it judges in one call of <see cref="Score(IReadOnlyList{RewardInput})"/>; 1: one after another.</summary>
    int MostAtOnce => 1;

    /// <summary>Judges several samples, by the same numbers up to rounding as one after another. Those with sounds of about one length come together.</summary>
    /// <param name="inputs">What is known about each.</param>
    /// <returns>A number for each, in order. When it throws, each is judged alone, so that only the one at fault fails.</returns>
    IReadOnlyList<double> Score(IReadOnlyList<RewardInput> inputs) => [.. inputs.Select(Score)];
}
