namespace LlasaNative.Rewards;

/// <summary>A range in which a measure is as it should be.</summary>
/// <param name="Low">Its lower end; 0 = none.</param>
/// <param name="High">Its upper end.</param>
internal readonly record struct Band(double Low, double High)
{
    /// <summary>0 inside; outside minus the distance in proportion to the end that was passed, at least -1; -1 for no number.</summary>
    /// <param name="value">The measure.</param>
    public double Score(double value) =>
        double.IsNaN(value) ? -1 : Math.Max(-1, value < Low ? (value - Low) / Low : value > High ? (High - value) / High : 0);

    /// <summary>What is wrong with the ends, named as options.</summary>
    /// <param name="component">Whose they are.</param>
    /// <param name="low">Option of the lower end.</param>
    /// <param name="high">Option of the upper end.</param>
    public IEnumerable<string> Faults(string component, string low, string high) =>
        High > Low ? [] : [$"`{component}` needs `{high}` above `{low}`: `llasa eval --bands` prints those of a policy"];
}
