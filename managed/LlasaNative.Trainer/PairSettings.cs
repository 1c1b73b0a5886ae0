namespace LlasaNative.Trainer;

/// <summary>What <c>llasa pair</c> reads of a configuration.</summary>
internal sealed record PairSettings
{
    [Option("A model behind HTTP that hears both samples of a pair and says which is the better.")]
    public JudgeOptions Judge { get; init; } = new();
}
