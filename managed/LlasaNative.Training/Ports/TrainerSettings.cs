namespace LlasaNative.Training;

/// <summary>What a trainer goes by.</summary>
/// <param name="Optimiser">AdamW's numbers, and how a batch is cut.</param>
/// <param name="Lora">The policy's adapter.</param>
/// <param name="Seed">Of the run: what training passes draw follows from it.</param>
public sealed record TrainerSettings(OptimiserOptions Optimiser, LoraOptions Lora, long Seed);
