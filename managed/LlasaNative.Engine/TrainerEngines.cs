using LlasaNative.Extensions;

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

    /// <summary>Creates the trainer of the engine that options name.</summary>
    /// <param name="options">The name.</param>
    /// <param name="policy">Trained in place; an adapter is attached.</param>
    /// <param name="settings">Validated options.</param>
    /// <exception cref="UsageException">There is no such engine, or it cannot train this policy or with several ranks.</exception>
    public static IPolicyTrainer CreateTrainer(this TrainerOptions options, IPolicy policy, TrainerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var engine = options.CreateEngine();
        UsageException.ThrowIf(options.ShardWeights && settings.Lora.Enabled,
            "trainer.shard_weights: the weights beside an adapter (lora.rank) have neither gradients nor moments, and every rank holds them");
        settings = settings with { ShardWeights = options.ShardWeights };
        return settings.World.Size == 1 || engine.SharesWork
            ? engine.CreateTrainer(policy, settings)
            : throw new UsageException($"trainer.engine: {options.Engine} trains in one process, but there are {settings.World.Size} ranks");
    }

    private sealed class NativeTrainerEngine : ITrainerEngine
    {
        public bool SharesWork => true;

        public IPolicyTrainer CreateTrainer(IPolicy policy, TrainerSettings settings) =>
            new NativePolicyTrainer((PolicyModel)policy, settings.Optimiser, settings.World as ProcessWorld, settings.ShardWeights);
    }
}
