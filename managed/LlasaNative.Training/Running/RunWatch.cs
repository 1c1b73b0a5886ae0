namespace LlasaNative.Training;

/// <summary>Holds a run's measurements against the bounds of <see cref="StopOptions"/>.</summary>
/// <remarks>What it says follows from the rows it was given: a resumed run gives it those of before. <b>Threads:</b> one at a time.</remarks>
/// <param name="options">The bounds.</param>
public sealed class RunWatch(StopOptions options)
{
    /// <summary>In front of a metric's name: the bound that it is held against, which dashboards draw beside it.</summary>
    public const string BoundPrefix = "bound/";

    private const string Kl = "policy/kl", Spread = "prosody/f0_semitones", Entropy = "policy/entropy", Errors = "evaluation/cer";
    private readonly Dictionary<string, List<double>> _values = [];
    private double _lastErrors = double.NaN;
    private int _rises;

    /// <summary>Takes a step's measurements and adds the bounds that hold for them.</summary>
    /// <param name="row">The step's.</param>
    /// <returns>Why the run should end; null when it need not.</returns>
    public string? Take(MetricRow row)
    {
        Recall(row);
        foreach (var (name, bound, _) in Bounds())
        {
            row.Add(BoundPrefix + name, bound);
        }

        return Reason();
    }

    /// <summary>Takes measurements of a step that was taken before.</summary>
    /// <param name="row">The step's.</param>
    public void Recall(MetricRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        foreach (var name in new[] { Kl, Spread, Entropy })
        {
            if (double.IsFinite(row[name]))
            {
                (_values.TryGetValue(name, out var known) ? known : _values[name] = []).Add(row[name]);
            }
        }

        if (double.IsFinite(row[Errors]))
        {
            (_rises, _lastErrors) = (row[Errors] > _lastErrors ? _rises + 1 : 0, row[Errors]);
        }
    }

    /// <summary>The bounds that are known so far: a first value is known after as many steps as it is the mean of.</summary>
    private IEnumerable<(string Name, double Bound, bool IsLeast)> Bounds()
    {
        if (options.KlAbove > 0)
        {
            yield return (Kl, options.KlAbove, false);
        }

        if (options.EntropyBelow > 0)
        {
            yield return (Entropy, options.EntropyBelow, true);
        }

        if (options.F0SpreadBelow > 0 && _values.GetValueOrDefault(Spread) is { } spread && spread.Count >= options.Window)
        {
            yield return (Spread, options.F0SpreadBelow * spread.Take(options.Window).Average(), true);
        }
    }

    /// <summary>Why the run should end by what it was given; null when it need not.</summary>
    public string? Reason()
    {
        foreach (var (name, bound, isLeast) in Bounds())
        {
            if (_values.GetValueOrDefault(name) is { } values && values.Count >= options.Window && values.TakeLast(options.Window).Average() is var mean && (isLeast ? mean < bound : mean > bound))
            {
                return string.Create(CultureInfo.InvariantCulture, $"{name} was {mean:G4} over {options.Window} steps, {(isLeast ? "below" : "above")} {bound:G4} (stop_when)");
            }
        }

        return options.CerRises > 0 && _rises >= options.CerRises
            ? string.Create(CultureInfo.InvariantCulture, $"{Errors} rose {_rises} times in succession, to {_lastErrors:G4} (stop_when)") : null;
    }
}
