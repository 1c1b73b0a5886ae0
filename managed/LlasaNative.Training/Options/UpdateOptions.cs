namespace LlasaNative.Training;

/// <summary>How often a step's samples are used.</summary>
public sealed record UpdateOptions
{
    /// <summary>Passes over a step's samples.</summary>
    public int Epochs { get; init; } = 1;

    /// <summary>Groups of one optimiser update; 0 = all of the step.</summary>
    public int MiniBatchPrompts { get; init; }

    /// <summary>Whether each epoch goes through the groups in another order.</summary>
    public bool Shuffle { get; init; } = true;
}
