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
        if (step <= options.WarmupSteps)
        {
            return options.LearningRate * step / options.WarmupSteps;
        }

        // The decay takes all steps after warm-up, or the last few: until it starts, the rate stays at its peak. As in
        // Transformers its first step is at the peak still, and the last is the one before the end is reached.
        var start = options.DecaySteps > 0 ? Math.Max(options.WarmupSteps, steps - options.DecaySteps) : options.WarmupSteps;
        var progress = steps <= start ? 1 : Math.Clamp((double)(step - 1 - start) / (steps - start), 0, 1);
        var left = options.Schedule switch
        {
            LearningRateSchedule.Cosine => 0.5 * (1 + Math.Cos(Math.PI * progress)),
            LearningRateSchedule.Linear => 1 - progress,
            LearningRateSchedule.Constant => 1,
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.Schedule, "No such schedule."),
        };
        return options.LearningRate * (options.FinalRatio + ((1 - options.FinalRatio) * left));
    }
}
