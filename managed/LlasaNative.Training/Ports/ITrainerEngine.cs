namespace LlasaNative.Training;

/// <summary>Makes trainers: what an engine that trains is asked for.</summary>
/// <remarks>Has a public constructor without parameters that loads nothing, for options are checked with it. <b>Threads:</b> any.</remarks>
public interface ITrainerEngine
{
    /// <summary>Whether its trainers add up what several ranks accumulate.</summary>
    bool SharesWork => false;

    /// <summary>Creates a trainer with zero gradients and moments.</summary>
    /// <param name="policy">Trained in place; an adapter is attached.</param>
    /// <param name="settings">Validated options.</param>
    /// <exception cref="UsageException">It cannot train this policy.</exception>
    IPolicyTrainer CreateTrainer(IPolicy policy, TrainerSettings settings);
}
