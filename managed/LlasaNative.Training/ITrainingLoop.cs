namespace LlasaNative.Training;

/// <summary>A way of training a policy, one step at a time. Everything a step does follows from its number and the seed.</summary>
public interface ITrainingLoop
{
    /// <summary>The policy that is trained.</summary>
    IPolicy Policy { get; }

    /// <summary>Its gradients and optimiser state.</summary>
    IPolicyTrainer Trainer { get; }

    /// <summary>How far the walk through the data has come, in items; part of a checkpoint, set when resuming.</summary>
    long DataPosition { get; set; }

    /// <summary>Takes one step.</summary>
    /// <param name="number">From 1 on.</param>
    /// <param name="keepSound">Whether the samples' sound is wanted.</param>
    /// <param name="cancellation">Gives the step up; weights and optimiser state are then undefined.</param>
    StepReport TakeStep(long number, bool keepSound, CancellationToken cancellation);
}
