namespace LlasaNative.Configuration;

/// <summary>Declares an option, once: the key of YAML files and <c>--set</c>, what it takes, and all that is said about it.</summary>
/// <remarks>
/// Stands on a property of an options record that is a flag, a number, a text or an enum, or another such record: then its keys
/// make a section. The key is the property's name as <see cref="OptionNames"/> writes it, after those of the records around it.
/// </remarks>
/// <param name="help">What it does, in one sentence; of a section, its title.</param>
[AttributeUsage(AttributeTargets.Property)]
public class OptionAttribute(string help) : Attribute
{
    /// <summary>What it does, in one sentence; of a section, its title.</summary>
    public string Help => help;

    /// <summary>The last part of the key, where it is not the property's name.</summary>
    public string? Name { get; init; }

    /// <summary>Least value.</summary>
    public double AtLeast { get; init; } = double.NaN;

    /// <summary>Value that is just too small.</summary>
    public double Above { get; init; } = double.NaN;

    /// <summary>Largest value.</summary>
    public double AtMost { get; init; } = double.NaN;

    /// <summary>Value that is just too large.</summary>
    public double Below { get; init; } = double.NaN;

    /// <summary>What a number counts, such as seconds.</summary>
    public string? Unit { get; init; }

    /// <summary>What a text holds, for people.</summary>
    public virtual string Takes { get; init; } = "text";

    /// <summary>A text that is the place of a file or directory: <c>~</c> in front is the home directory, as a shell has it.</summary>
    public bool IsPath { get; init; }

    /// <summary>It, or a whole section, may change when a run is resumed, because no weight of the run depends on it, or by rounding alone.</summary>
    public bool FreeOnResume { get; init; }

    /// <summary>It may change when a run is resumed if another option has a certain value, written <c>key=value</c>.</summary>
    public string? FreeOnResumeWhen { get; init; }

    /// <summary>What verl calls it, for those who come from there.</summary>
    public string? Verl { get; init; }

    /// <summary>Whether a number is in range; NaN never is.</summary>
    internal bool Holds(double value) => double.IsFinite(value) && !(value < AtLeast || value <= Above || value > AtMost || value >= Below);

    /// <summary>The values of a number, for people.</summary>
    internal string Range(string noun)
    {
        var unit = Unit is null ? noun : $"{noun} of {Unit}";
        return (AtLeast, AtMost) is ({ } least, { } most) && !double.IsNaN(least) && !double.IsNaN(most)
            ? string.Create(CultureInfo.InvariantCulture, $"{unit}, {least} to {most}")
            : string.Join(", ", new[] { unit, Bound("at least", AtLeast), Bound("more than", Above), Bound("at most", AtMost), Bound("less than", Below) }.OfType<string>());

        static string? Bound(string words, double value) => double.IsNaN(value) ? null : string.Create(CultureInfo.InvariantCulture, $"{words} {value}");
    }
}
