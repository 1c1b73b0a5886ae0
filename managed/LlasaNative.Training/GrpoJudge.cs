namespace LlasaNative.Training;

/// <summary>Makes the judge of a run.</summary>
public static class GrpoJudge
{
    /// <summary>The judge that a run's options describe.</summary>
    /// <param name="options">The run's.</param>
    /// <exception cref="UsageException">An option of the reward is out of range.</exception>
    public static SampleJudge CreateJudge(this GrpoOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new SampleJudge(options.ToReward());
    }
}
