namespace LlasaNative.Rewards;

/// <summary>DAPO's soft overlong punishment (arXiv 2503.14476, eq. 13): 0, then a line to -1 at the length cap.</summary>
internal sealed class OverlongComponent : IRewardComponent
{
    public string Name => "overlong";

    [Option("Share of rollout.max_new_tokens, at its end, over which it falls.", Above = 0, AtMost = 1)]
    public double Share { get; set; } = 0.2;

    public double Score(RewardInput input)
    {
        if (input.Sample.Codes is not { } codes || input.MaxTokens == 0)
        {
            return 0;
        }

        var buffer = Share * input.MaxTokens;
        var length = codes.Length + (input.Sample.Ended ? 1 : 0);
        return Math.Clamp((input.MaxTokens - buffer - length) / buffer, -1, 0);
    }
}
