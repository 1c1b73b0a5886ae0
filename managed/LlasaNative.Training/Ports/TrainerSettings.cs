namespace LlasaNative.Training;

/// <summary>What a trainer goes by.</summary>
/// <param name="Optimiser">AdamW's numbers, and how a batch is cut.</param>
/// <param name="Lora">The policy's adapter.</param>
/// <param name="Seed">Of the run: what training passes draw follows from it.</param>
public sealed record TrainerSettings(OptimiserOptions Optimiser, LoraOptions Lora, long Seed)
{
    /// <summary>Whose ranks train together; of several only an engine that says <see cref="ITrainerEngine.SharesWork"/> is asked.</summary>
    public IWorld World { get; init; } = Ranks.Alone;

    /// <summary>As <see cref="TrainerOptions.ShardWeights"/>.</summary>
    public bool ShardWeights { get; init; }
}
