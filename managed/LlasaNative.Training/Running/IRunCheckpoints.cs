namespace LlasaNative.Training;

/// <summary>Keeps the states that a run can go on from.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
public interface IRunCheckpoints
{
    /// <summary>The state to go on from.</summary>
    /// <param name="place">A checkpoint; null = the newest that is whole.</param>
    /// <param name="passedOver">Told of newer checkpoints that are damaged, with the reason.</param>
    /// <returns>Its place and position; null when there is none.</returns>
    /// <exception cref="ModelFileException">The named one is damaged or not there.</exception>
    (string Place, RunState State)? Find(string? place, Action<string, string> passedOver);

    /// <summary>Carries weights and moments into a training loop.</summary>
    /// <param name="place">As found.</param>
    /// <param name="run">Where to.</param>
    /// <exception cref="ModelFileException">The checkpoint is damaged, or of a model of another size.</exception>
    void Restore(string place, ITrainingLoop run);

    /// <summary>Forgets what came after a step, and what was left by writers that were killed.</summary>
    /// <param name="state">What the run goes on from; null when it begins.</param>
    void BeginAfter(RunState? state);

    /// <summary>Saves policy, moments and position: all of it or nothing. What the state calls the best stays, however old it gets.</summary>
    /// <param name="state">The position.</param>
    /// <param name="run">Whose policy and moments.</param>
    /// <returns>Its place.</returns>
    string Save(RunState state, ITrainingLoop run);
}
