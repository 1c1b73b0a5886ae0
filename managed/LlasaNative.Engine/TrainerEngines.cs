using LlasaNative.Extensions;
using LlasaNative.Models;
using LlasaNative.Training;

namespace LlasaNative.Engine;

/// <summary>Chooses what trains a policy.</summary>
public static class TrainerEngines
{
    /// <summary>The engine that options name.</summary>
    /// <param name="options">The name.</param>
    /// <exception cref="UsageException">There is no such engine; the message says where it was looked for and how to get it.</exception>
    public static ITrainerEngine CreateEngine(this TrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Engines.Create<ITrainerEngine>("trainer.engine", options.Engine, ("native", () => new NativeTrainerEngine()));
    }

    private sealed class NativeTrainerEngine : ITrainerEngine
    {
        public IPolicyTrainer CreateTrainer(IPolicy policy, TrainerSettings settings) => new NativePolicyTrainer((PolicyModel)policy, settings.Optimiser);
    }
}
