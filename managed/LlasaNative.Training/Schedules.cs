namespace LlasaNative.Training;

/// <summary>Learning rates as a function of the step.</summary>
public static class Schedules
{
    /// <summary>The learning rate of a step.</summary>
    /// <param name="options">Peak, warm-up and shape.</param>
    /// <param name="step">From 1 to <paramref name="steps"/>.</param>
    /// <param name="steps">Steps of the whole run.</param>
    public static double LearningRate(OptimiserOptions options, long step, long steps)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (step <= options.WarmupSteps)
        {
            return options.LearningRate * step / options.WarmupSteps;
        }

        // The decay takes all steps after warm-up, or the last few: until it starts, the rate stays at its peak.
        var start = options.DecaySteps > 0 ? Math.Max(options.WarmupSteps, steps - options.DecaySteps) : options.WarmupSteps;
        var progress = steps <= start ? 1 : Math.Clamp((double)(step - start) / (steps - start), 0, 1);
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
