namespace LlasaNative.Reporting;

/// <summary>The measurements of one step, named and in order.</summary>
/// <param name="step">Step the measurements belong to.</param>
/// <remarks><b>Threads:</b> one at a time.</remarks>
public sealed class MetricRow(long step)
{
    private readonly List<KeyValuePair<string, double>> _values = [];

    /// <summary>Step the measurements belong to.</summary>
    public long Step => step;

    /// <summary>Names and values, in the order they were added.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> Values => _values;

    /// <summary>The value of a name; NaN when there is none.</summary>
    /// <param name="name">For example <c>reward/mean</c>.</param>
    public double this[string name] => _values.Find(v => v.Key == name) is { Key: not null } found ? found.Value : double.NaN;

    /// <summary>Adds a measurement.</summary>
    /// <param name="name">For example <c>reward/mean</c>; each name once.</param>
    /// <param name="value">Any number; NaN and infinity are written as null.</param>
    public MetricRow Add(string name, double value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        _values.Add(new(name, value));
        return this;
    }
}
