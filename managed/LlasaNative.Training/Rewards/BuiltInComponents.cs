namespace LlasaNative.Rewards;

/// <summary>The components that come with the program, by name.</summary>
internal static class BuiltInComponents
{
    public static readonly string[] Names = ["utility", "cer", "nll", "exact", "overlong"];

    public static IRewardComponent Create(string name, RewardOptions options) => name switch
    {
        "utility" => new Simple(name, i => i.Formula.Reward),
        "cer" => new Simple(name, i => i.Formula.Reason == RewardReason.None ? i.Formula.CerUtility : 0),
        "nll" => new Simple(name, i => i.Formula.Reason == RewardReason.None ? i.Formula.NllUtility : 0),
        "exact" => new Simple(name, i => i.Formula is { Reason: RewardReason.None, Cer: 0 } ? 1 : 0),
        "overlong" => new Simple(name, i => Overlong(i, options.OverlongShare)),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "No such component."),
    };

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

    private sealed class Simple(string name, Func<RewardInput, double> score) : IRewardComponent
    {
        public string Name => name;

        public double Score(RewardInput input) => score(input);
    }
}
