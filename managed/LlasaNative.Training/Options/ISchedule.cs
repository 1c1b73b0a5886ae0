namespace LlasaNative.Training;

/// <summary>What the learning rate does after warm-up.</summary>
/// <remarks>One of your own is named <c>optimiser.schedule: path/to/Mine.dll:Namespace.Class</c>, as an <see cref="IAdvantage"/> is. <b>Threads:</b> any.</remarks>
public interface ISchedule
{
    /// <summary>Share of the highest rate that a step takes.</summary>
    /// <param name="number">Of the step, which is behind warm-up.</param>
    /// <param name="warmup">Steps of warm-up.</param>
    /// <param name="steps">Steps of the whole run.</param>
    double Share(long number, long warmup, long steps);
}
