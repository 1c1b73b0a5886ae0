using System.Text.Json;

namespace LlasaNative.Configuration;

/// <summary>How names are written in configuration files: <c>TokenMean</c> is <c>token_mean</c>.</summary>
public static class OptionNames
{
    /// <summary>The configuration name of an enum value.</summary>
    /// <param name="value">A defined value.</param>
    public static string Of(Enum value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return Of(value.ToString());
    }

    /// <summary>The enum value of a configuration name.</summary>
    /// <typeparam name="TEnum">The enum.</typeparam>
    /// <param name="text">A name as written by <see cref="Of(Enum)"/>.</param>
    /// <exception cref="FormatException">No value has that name; the message lists those that exist.</exception>
    public static TEnum Parse<TEnum>(string text)
        where TEnum : struct, Enum => (TEnum)Parse(typeof(TEnum), text);

    internal static Enum Parse(Type type, string text)
    {
        Enum[] values = [.. Enum.GetValues(type).Cast<Enum>()];
        return values.FirstOrDefault(v => Of(v) == text) ?? throw new FormatException($"`{text}` is not one of {string.Join(", ", values.Select(Of))}");
    }

    internal static string Of(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
}
