using LlasaNative.Extensions;

namespace LlasaNative.Rewards;

/// <summary>Every component that comes with the program: a line each, and a class where one is needed.</summary>
internal static class BuiltInComponents
{
    public static readonly Catalogue<IRewardComponent, RewardOptions> All = new(
        "reward component",
        Simple("utility", i => i.Formula.Reward),
        Simple("cer", i => i.Formula.Reason == RewardReason.None ? i.Formula.CerUtility : 0),
        Simple("nll", i => i.Formula.Reason == RewardReason.None ? i.Formula.NllUtility : 0),
        Simple("exact", i => i.Formula is { Reason: RewardReason.None, Cer: 0 } ? 1 : 0),
        ("overlong", options => new Function("overlong", i => Overlong(i, options.OverlongShare))),
        ("speaking_rate", _ => new SpeakingRateComponent()),
        ("prosody", _ => new ProsodyComponent()));

    private static (string, Func<RewardOptions, IRewardComponent>) Simple(string name, Func<RewardInput, double> score) => (name, _ => new Function(name, score));

    /// <summary>DAPO's soft overlong punishment (arXiv 2503.14476, eq. 13): 0, then a line to -1 at the length cap.</summary>
    private static double Overlong(RewardInput input, double share)
    {
        if (input.Sample.Codes is not { } codes || input.MaxTokens == 0)
        {
            return 0;
        }

        var buffer = share * input.MaxTokens;
        var length = codes.Length + (input.Sample.Ended ? 1 : 0);
        return Math.Clamp((input.MaxTokens - buffer - length) / buffer, -1, 0);
    }

    private sealed class Function(string name, Func<RewardInput, double> score) : IRewardComponent
    {
        public string Name => name;

        public double Score(RewardInput input) => score(input);
    }
}
