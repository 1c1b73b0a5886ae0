using System.Globalization;

namespace LlasaNative.Training;

/// <summary>Collects the entries of one section of an options record.</summary>
/// <typeparam name="T">The whole options record.</typeparam>
/// <typeparam name="TSection">The record of this section.</typeparam>
internal sealed class OptionSection<T, TSection>(
    string name, Func<T, TSection> get, Func<T, TSection, T> set, List<OptionEntry<T>> entries)
{
    public void Text(string key, string help, string allowed, Func<TSection, string> read, Func<TSection, string, TSection> write) =>
        Add(key, help, allowed, read, write, _ => null);

    /// <summary>A file or directory; <c>~</c> in front is the home directory, as a shell has it.</summary>
    public void Path(string key, string help, string allowed, Func<TSection, string> read, Func<TSection, string, TSection> write) =>
        Add(key, help, allowed, read, (s, text) => write(s, text is "~" or ['~', '/', ..] ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + text[1..] : text), _ => null);

    public void Flag(string key, string help, Func<TSection, bool> read, Func<TSection, bool, TSection> write) =>
        Add(key, help, "true or false", s => read(s) ? "true" : "false", (s, text) => write(s, ParseFlag(text)), _ => null);

    public void Whole(
        string key, string help, long minimum, long maximum, Func<TSection, long> read, Func<TSection, long, TSection> write)
    {
        var allowed = maximum == long.MaxValue ? Invariant($"whole number, at least {minimum}") : Invariant($"whole number, {minimum} to {maximum}");
        Add(key, help, allowed, s => Invariant($"{read(s)}"), (s, text) => write(s, ParseWhole(text)),
            s => read(s) >= minimum && read(s) <= maximum ? null : Invariant($"{read(s)}, expected {allowed}"));
    }

    public void Number(
        string key, string help, string allowed, Func<double, bool> isAllowed, Func<TSection, double> read, Func<TSection, double, TSection> write) =>
        Add(key, help, allowed, s => Invariant($"{read(s):R}"), (s, text) => write(s, ParseNumber(text)),
            s => double.IsFinite(read(s)) && isAllowed(read(s)) ? null : Invariant($"{read(s):R}, expected {allowed}"));

    public void Choice<TEnum>(string key, string help, Func<TSection, TEnum> read, Func<TSection, TEnum, TSection> write)
        where TEnum : struct, Enum
    {
        var names = Enum.GetValues<TEnum>().Select(OptionNames.Of).ToArray();
        Add(key, help, string.Join(", ", names), s => OptionNames.Of(read(s)), (s, text) => write(s, OptionNames.Parse<TEnum>(text)), _ => null);
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static bool ParseFlag(string text) => text switch
    {
        // As PyYAML reads a plain word.
        "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" => true,
        "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF" => false,
        _ => throw new FormatException($"`{text}` is not true or false"),
    };

    // 1_000: YAML 1.1 lets numbers be read in groups.
    private static string Digits(string text) =>
        text.Length > 2 && char.IsAsciiDigit(text[^1]) && text.TrimStart('+', '-') is [>= '0' and <= '9', ..] ? text.Replace("_", "", StringComparison.Ordinal) : text;

    private static long ParseWhole(string text) =>
        long.TryParse(Digits(text), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new FormatException($"`{text}` is not a whole number");

    private static double ParseNumber(string text) =>
        double.TryParse(Digits(text), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new FormatException($"`{text}` is not a number");

    private void Add(
        string key, string help, string allowed, Func<TSection, string> read, Func<TSection, string, TSection> write, Func<TSection, string?> check) =>
        entries.Add(new OptionEntry<T>(
            $"{name}.{key}", help, allowed, o => read(get(o)), (o, text) => set(o, write(get(o), text)), o => check(get(o))));
}
