namespace LlasaNative.Rewards;

/// <summary>What a component contributed.</summary>
/// <param name="Name">Of the component.</param>
/// <param name="Value">What it returned.</param>
/// <param name="Weight">Its weight; the contribution is value times weight.</param>
public readonly record struct RewardPart(string Name, double Value, double Weight);
