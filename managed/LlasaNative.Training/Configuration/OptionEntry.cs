using System.Reflection;

namespace LlasaNative.Configuration;

/// <summary>One option of an options record: its key, what is said about it, and its value there.</summary>
/// <remarks><b>Threads:</b> as the record's.</remarks>
public sealed class OptionEntry
{
    private readonly object _owner;
    private readonly PropertyInfo _property;

    internal OptionEntry(string key, object owner, PropertyInfo property, OptionAttribute declared, bool freeOnResume)
    {
        (Key, _owner, _property, Declared, FreeOnResume) = (key, owner, property, declared, freeOnResume || declared.FreeOnResume);
        Takes = property.PropertyType.IsEnum ? string.Join(", ", Enum.GetValues(property.PropertyType).Cast<Enum>().Select(OptionNames.Of))
            : property.PropertyType == typeof(bool) ? "true or false"
            : property.PropertyType == typeof(string) ? declared.Takes
            : declared.Range(property.PropertyType == typeof(double) ? "number" : "whole number");
    }

    /// <summary>Section and name, for example <c>rollout.temperature</c>.</summary>
    public string Key { get; }

    /// <summary>What was declared.</summary>
    public OptionAttribute Declared { get; }

    /// <summary>The values it takes, for people.</summary>
    public string Takes { get; }

    /// <summary>Whether it may be another when a run is resumed.</summary>
    public bool FreeOnResume { get; }

    /// <summary>The value as text, which reads back to the same.</summary>
    public string Value => _property.GetValue(_owner) switch
    {
        bool flag => flag ? "true" : "false",
        Enum value => OptionNames.Of(value),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        string text => text,
        int whole => whole.ToString(CultureInfo.InvariantCulture),
        long whole => whole.ToString(CultureInfo.InvariantCulture),
        var other => throw NoOption(other),
    };

    /// <summary>Reads and sets the value.</summary>
    /// <exception cref="FormatException">The text is not a value of this option's type.</exception>
    internal void Set(string text) =>
        _property.SetValue(_owner, Parse(text), BindingFlags.DoNotWrapExceptions, null, null, CultureInfo.InvariantCulture);

    /// <summary>What is wrong with the present value; null when nothing is.</summary>
    internal string? Fault() => _property.GetValue(_owner) is { } value and (double or int or long) && !Declared.Holds(Convert.ToDouble(value, CultureInfo.InvariantCulture))
        ? $"{Value}, expected {Takes}"
        : null;

    private object Parse(string text)
    {
        var type = _property.PropertyType;
        if (type == typeof(double))
        {
            return double.TryParse(Digits(text), NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : throw new FormatException($"`{text}` is not a number");
        }

        if (type == typeof(int) || type == typeof(long))
        {
            var whole = long.TryParse(Digits(text), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var read) ? read : throw new FormatException($"`{text}` is not a whole number");
            return type == typeof(long) ? whole
                : whole is >= int.MinValue and <= int.MaxValue ? (object)(int)whole : throw new FormatException($"`{text}` is not within {int.MinValue} to {int.MaxValue}");
        }

        return type == typeof(bool) ? Flag(text) ?? throw new FormatException($"`{text}` is not true or false")
            : type.IsEnum ? OptionNames.Parse(type, Enum.IsDefined(type, "True") && Flag(text) is { } flag ? (flag ? "true" : "false") : text)
            : type != typeof(string) ? throw NoOption(null)
            : Declared.IsPath && text is "~" or ['~', '/', ..] ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + text[1..] : text;
    }

    private InvalidOperationException NoOption(object? value) =>
        new($"{_property.DeclaringType}.{_property.Name}: an option is a flag, a number, a text or an enum, not {value?.GetType() ?? _property.PropertyType}.");

    /// <summary>As PyYAML reads a plain word; null for another one.</summary>
    private static bool? Flag(string text) => text switch
    {
        "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" => true,
        "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF" => false,
        _ => null,
    };

    // 1_000: YAML 1.1 lets numbers be read in groups. 010 is 8 there and 10 in YAML 1.2 and on a command line.
    private static string Digits(string text) =>
        text.TrimStart('+', '-') is ['0', _, ..] digits && digits.All(c => char.IsAsciiDigit(c) || c == '_')
            ? throw new FormatException($"`{text}` begins with 0, which YAML 1.1 takes for an octal number")
        : text.Length > 2 && char.IsAsciiDigit(text[^1]) && text.TrimStart('+', '-') is [>= '0' and <= '9', ..] ? text.Replace("_", "", StringComparison.Ordinal) : text;
}
