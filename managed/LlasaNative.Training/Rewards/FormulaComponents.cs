namespace LlasaNative.Rewards;

/// <summary>The utility of the CER alone.</summary>
internal sealed class CerComponent : IRewardComponent
{
    public string Name => "cer";

    public double Score(RewardInput input) => input.Formula.Reason == RewardReason.None ? input.Formula.CerUtility : 0;
}

/// <summary>The utility of the NLL alone.</summary>
internal sealed class NllComponent : IRewardComponent
{
    public string Name => "nll";

    public double Score(RewardInput input) => input.Formula.Reason == RewardReason.None ? input.Formula.NllUtility : 0;
}

/// <summary>1 for a transcript without an error.</summary>
internal sealed class ExactComponent : IRewardComponent
{
    public string Name => "exact";

    public double Score(RewardInput input) => input.Formula is { Reason: RewardReason.None, Cer: 0 } ? 1 : 0;
}
