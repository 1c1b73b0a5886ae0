using System.Text.RegularExpressions;
using static LlasaNative.Text.PythonText;

namespace LlasaNative.Text;

/// <summary>Writes spelt-out English numbers in digits, with ordinals, currencies, percentages and decimals.</summary>
internal static partial class EnglishNumbers
{
    public static string Normalize(string text)
    {
        string prepared = SeparateUnits(SpellHalves(text));
        List<string> words = Split(prepared);
        return Finish(string.Join(' ', new EnglishNumberReader(words).Read()));
    }

    /// <summary>"two and a half" becomes "two point five".</summary>
    private static string SpellHalves(string text)
    {
        List<string> results = [];
        string[] segments = AndAHalf().Split(text);
        for (int i = 0; i < segments.Length; i++)
        {
            if (Strip(segments[i]).Length == 0)
            {
                continue;
            }

            results.Add(segments[i]);
            if (i < segments.Length - 1)
            {
                string last = Split(segments[i])[^1];
                results.Add(EnglishNumberWords.IsDecimal(last) || EnglishNumberWords.Multipliers.ContainsKey(last) ? "point five" : "and a half");
            }
        }

        return string.Join(' ', results);
    }

    /// <summary>A space between number and letter, but none before a suffix such as "th".</summary>
    private static string SeparateUnits(string text)
    {
        text = LetterThenDigit().Replace(text, "$1 $2");
        text = DigitThenLetter().Replace(text, "$1 $2");
        return DigitThenSuffix().Replace(text, "$1$2");
    }

    /// <summary>Joins dollars and cents, and writes a lone 1 as a word.</summary>
    private static string Finish(string text)
    {
        text = DollarsAndCents().Replace(text, m => string.Create(
            CultureInfo.InvariantCulture, $"{m.Groups[1].Value}{m.Groups[2].Value}.{int.Parse(m.Groups[3].ValueSpan, CultureInfo.InvariantCulture):D2}"));
        text = CentsOnly().Replace(text, m => string.Create(
            CultureInfo.InvariantCulture, $"¢{int.Parse(m.Groups[1].ValueSpan, CultureInfo.InvariantCulture)}"));
        return LoneOne().Replace(text, "one$1");
    }

    [GeneratedRegex(Boundary + "and[" + SpaceClass + "]+a[" + SpaceClass + "]+half" + Boundary)]
    private static partial Regex AndAHalf();

    [GeneratedRegex("([a-z])([0-9])")]
    private static partial Regex LetterThenDigit();

    [GeneratedRegex("([0-9])([a-z])")]
    private static partial Regex DigitThenLetter();

    [GeneratedRegex("([0-9])[" + SpaceClass + "]+(st|nd|rd|th|s)" + Boundary)]
    private static partial Regex DigitThenSuffix();

    [GeneratedRegex("([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})" + Boundary)]
    private static partial Regex DollarsAndCents();

    [GeneratedRegex("[€£$]0.([0-9]{1,2})" + Boundary)]
    private static partial Regex CentsOnly();

    [GeneratedRegex(Boundary + "1(s?)" + Boundary)]
    private static partial Regex LoneOne();
}
