namespace LlasaNative.Text;

/// <summary>String operations as Python defines them; the reference implementations of metrics are written in it.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class PythonText
{
    /// <summary>What <c>\s</c> stands for in a Python pattern, as the inside of a character class.</summary>
    internal const string SpaceClass = @"\s\x1C-\x1F";

    /// <summary><c>\b</c> of a Python pattern: letters, numbers of any kind and the underscore are word characters.</summary>
    internal const string Boundary = @"(?:(?<=[\p{L}\p{N}_])(?![\p{L}\p{N}_])|(?<![\p{L}\p{N}_])(?=[\p{L}\p{N}_]))";

    private static readonly char[] _spaces = [.. Enumerable.Range(0, char.MaxValue + 1).Select(c => (char)c).Where(IsSpace)];

    /// <summary>Whether <c>str.isspace</c> holds: Unicode white space and the four separators U+001C to U+001F.</summary>
    /// <param name="c">A UTF-16 unit; all white space lies in the basic plane.</param>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F';

    /// <summary><c>str.strip()</c>.</summary>
    /// <param name="text">Any text.</param>
    public static string Strip(string text) => text.Trim(_spaces);

    /// <summary><c>str.split()</c>: the parts between runs of white space.</summary>
    /// <param name="text">Any text.</param>
    public static List<string> Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. text.Split(_spaces, StringSplitOptions.RemoveEmptyEntries)];
    }

    /// <summary><c>str.lower()</c>: full case mapping, the Greek final sigma included.</summary>
    /// <param name="text">Any text.</param>
    public static string Lower(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        StringBuilder lower = new(text.Length);
        int at = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case 0x130:
                    lower.Append("i\u0307");
                    break;
                case 0x3A3:
                    lower.Append(IsFinalSigma(text, at) ? '\u03C2' : '\u03C3');
                    break;
                default:
                    lower.Append(Rune.ToLowerInvariant(rune));
                    break;
            }

            at += rune.Utf16SequenceLength;
        }

        return lower.ToString();
    }

    /// <summary>A letter comes before and none after, looking past what has no case of its own.</summary>
    private static bool IsFinalSigma(string text, int at) =>
        BeginsCased(text[..at].EnumerateRunes().Reverse()) && !BeginsCased(text[(at + 1)..].EnumerateRunes());

    private static bool BeginsCased(IEnumerable<Rune> runes) => IsCased(runes.SkipWhile(IsCaseIgnorable).FirstOrDefault());

    private static bool IsCased(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter;

    private static bool IsCaseIgnorable(Rune rune) =>
        rune.Value is '\'' or '.' or ':' or 0xB7 or 0x2018 or 0x2019 or 0x2024 or 0x2027
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark
            or UnicodeCategory.Format or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol;
}
