namespace LlasaNative.Training;

/// <summary>Where people read how a run is going.</summary>
public interface IRunProgress
{
    /// <summary>A step is done.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="text">What it came to.</param>
    void Took(long number, string text);

    /// <summary>Something to know.</summary>
    /// <param name="text">A line.</param>
    void Note(string text);

    /// <summary>No step follows.</summary>
    void Finish();
}
