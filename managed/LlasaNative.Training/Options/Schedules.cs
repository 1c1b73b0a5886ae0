namespace LlasaNative.Training;

/// <summary>Learning rates as a function of the step.</summary>
public static class Schedules
{
    /// <summary>The learning rate of a step.</summary>
    /// <param name="options">Peak, warm-up and shape.</param>
    /// <param name="step">From 1 to <paramref name="steps"/>.</param>
    /// <param name="steps">Steps of the whole run.</param>
    /// <remarks>
    /// The decay is that of Transformers' get_linear_schedule_with_warmup and get_cosine_schedule_with_warmup. Their warm-up
    /// begins at 0, with a first step that changes nothing; here step k of W takes k / W.
    /// </remarks>
    public static double LearningRate(OptimiserOptions options, long step, long steps)
    {
        ArgumentNullException.ThrowIfNull(options);
        return step <= options.WarmupSteps
            ? options.LearningRate * step / options.WarmupSteps
            : options.LearningRate * options.CreateSchedule().Share(step, options.WarmupSteps, steps);
    }
}

/// <summary>Stays.</summary>
internal sealed record ConstantSchedule : ISchedule
{
    public double Share(long number, long warmup, long steps) => 1;
}

/// <summary>Falls along half a cosine.</summary>
internal sealed record CosineSchedule : FallingSchedule
{
    protected override double Left(double progress) => 0.5 * (1 + Math.Cos(Math.PI * progress));
}

/// <summary>Falls along a line.</summary>
internal sealed record LinearSchedule : FallingSchedule
{
    protected override double Left(double progress) => 1 - progress;
}

/// <summary>Falls to a share of the highest rate at the last step.</summary>
internal abstract record FallingSchedule : ISchedule
{
    [Option("Share of the highest rate that it ends at.", AtLeast = 0, AtMost = 1)]
    public double FinalRatio { get; set; }

    [Option("Steps at the end over which it falls; 0: all after warm-up.", AtLeast = 0)]
    public int DecaySteps { get; set; }

    public double Share(long number, long warmup, long steps)
    {
        // Until the decay starts, the rate stays at its peak. As in Transformers its first step is at the peak still, and the last is the
        // one before the end is reached.
        var start = DecaySteps > 0 ? Math.Max(warmup, steps - DecaySteps) : warmup;
        var progress = steps <= start ? 1 : Math.Clamp((double)(number - 1 - start) / (steps - start), 0, 1);
        return FinalRatio + ((1 - FinalRatio) * Left(progress));
    }

    /// <summary>What is left of the way down, 1 to 0.</summary>
    protected abstract double Left(double progress);
}
