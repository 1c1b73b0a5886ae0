using LlasaNative.Configuration;
using LlasaNative.Models;
using LlasaNative.Training;

namespace Mine;

/// <summary>The native engine, with an AdamW that forgets how large gradients were.</summary>
public sealed class ShortMemory : ITrainerEngine
{
    [Option("Decay of the second moment.", AtLeast = 0, Below = 1)]
    public double Decay { get; set; } = 0.95;

    public IPolicyTrainer CreateTrainer(IPolicy policy, TrainerSettings settings) =>
        new NativePolicyTrainer((PolicyModel)policy, settings.Optimiser with { Betas = $"0.9,{Decay}" });
}
