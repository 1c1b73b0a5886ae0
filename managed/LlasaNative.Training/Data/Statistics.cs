namespace LlasaNative.Data;

/// <summary>Means and deviations of measurements, some of which are no number.</summary>
public static class Statistics
{
    /// <summary>Mean of those that are finite; NaN without any.</summary>
    /// <param name="values">Any numbers.</param>
    public static double FiniteMean(this IEnumerable<double> values) => values.Where(double.IsFinite).DefaultIfEmpty(double.NaN).Average();

    /// <summary>Unbiased standard deviation; 0 of fewer than two.</summary>
    /// <param name="values">Finite numbers.</param>
    public static double Deviation(this IReadOnlyCollection<double> values)
    {
        var mean = values.DefaultIfEmpty().Average();
        return Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / Math.Max(values.Count - 1, 1));
    }
}
