using System.Globalization;
using System.Reflection;
using LlasaNative.Configuration;

namespace LlasaNative.Extensions;

/// <summary>The options a class has of its own: its properties with an <see cref="OptionAttribute"/>, numbers, flags or texts.</summary>
/// <remarks><c>PitchLow</c> is written <c>pitch_low</c>.</remarks>
internal static class OwnOptions
{
    /// <summary>Sets options.</summary>
    /// <param name="target">Whose.</param>
    /// <param name="name">What it is called, for messages.</param>
    /// <param name="options">Names and values; later ones win.</param>
    /// <exception cref="UsageException">There is no such option, or the value is none of it; the message lists every fault.</exception>
    public static void Set(object target, string name, IEnumerable<KeyValuePair<string, string>> options)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(options);
        var properties = target.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.IsDefined(typeof(OptionAttribute)))
            .ToDictionary(p => OptionNames.Of(p.Name));
        List<string> faults = [];
        foreach (var (key, text) in options)
        {
            if (!properties.TryGetValue(key, out var property))
            {
                faults.Add($"`{name}` has no option `{key}`; {(properties.Count == 0 ? "it has none" : "it has " + string.Join(", ", properties.Keys.Order(StringComparer.Ordinal)))}");
            }
            else if (Fault(property, text, out var value) is { } fault)
            {
                faults.Add($"`{name}`: `{key}`: {fault}");
            }
            else
            {
                property.SetValue(target, value);
            }
        }

        if (faults.Count > 0)
        {
            throw new UsageException(string.Join("; ", faults));
        }
    }

    private static string? Fault(PropertyInfo property, string text, out object? value)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        (value, var expected) = Type.GetTypeCode(type) switch
        {
            TypeCode.String => ((object?)text, "a text"),
            TypeCode.Boolean => (text is "true" or "false" ? text == "true" : null, "true or false"),
            TypeCode.Int32 => (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) ? whole : null, "a whole number"),
            TypeCode.Double => (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : null, "a number"),
            _ => throw new InvalidOperationException($"{property.DeclaringType}.{property.Name}: an option is a number, a flag or a text, not {type}."),
        };
        var range = property.GetCustomAttribute<OptionAttribute>()!;
        return value is null ? $"`{text}` is not {expected}"
            : value is double or int && !range.Holds(Convert.ToDouble(value, CultureInfo.InvariantCulture)) ? $"{text}, expected {range.Range("number")}"
            : null;
    }
}
