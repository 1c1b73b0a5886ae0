using System.Text.RegularExpressions;

namespace LlasaNative.Text;

/// <summary>Any other split pattern, through .NET's engine.</summary>
/// <remarks>
/// That engine sees UTF-16 units, and neither half of a surrogate pair has the category of its character. So it is shown another
/// text: each character outside the basic plane is stood in for by a rare one of the basic plane with the same general category.
/// </remarks>
internal sealed class RegexScanner(Regex pattern) : PieceScanner
{
    public override void Split(ReadOnlySpan<char> text, int offset, List<int> ends)
    {
        int first = ends.Count;
        char[]? plain = text.ContainsAnyInRange('\uD800', '\uDBFF') ? Plain(text) : null;
        ReadOnlySpan<char> shown = plain ?? text;
        int last = 0;
        foreach (ValueMatch match in pattern.EnumerateMatches(shown))
        {
            if (match.Index > last)
            {
                ends.Add(offset + match.Index);
            }

            if (match.Length > 0)
            {
                ends.Add(offset + match.Index + match.Length);
            }

            last = match.Index + match.Length;
        }

        if (last < shown.Length)
        {
            ends.Add(offset + shown.Length);
        }

        if (plain is not null)
        {
            Widen(text, offset, ends, first);
        }
    }

    /// <summary>Turns indices into the text that was shown into those of the text itself.</summary>
    private static void Widen(ReadOnlySpan<char> text, int offset, List<int> ends, int first)
    {
        int at = 0;
        int shown = offset;
        for (int i = first; i < ends.Count; i++)
        {
            for (; shown < ends[i]; shown++)
            {
                at += IsPair(text, at) ? 2 : 1;
            }

            ends[i] = offset + at;
        }
    }

    private static char[] Plain(ReadOnlySpan<char> text)
    {
        StringBuilder plain = new(text.Length);
        for (int at = 0; at < text.Length; at++)
        {
            plain.Append(IsPair(text, at) ? StandIn(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(text[at], text[++at]))) : text[at]);
        }

        char[] characters = new char[plain.Length];
        plain.CopyTo(0, characters, plain.Length);
        return characters;
    }

    private static bool IsPair(ReadOnlySpan<char> text, int at) => at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]);

    /// <summary>A character of the basic plane that no pattern names by itself.</summary>
    internal static char StandIn(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => '\u2C00',
        UnicodeCategory.LowercaseLetter => '\u2C30',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA4F8',
        UnicodeCategory.OtherLetter => '\uA500',
        UnicodeCategory.NonSpacingMark => '\uA66F',
        UnicodeCategory.SpacingCombiningMark => '\uA880',
        UnicodeCategory.EnclosingMark => '\uA670',
        UnicodeCategory.DecimalDigitNumber => '\uA620',
        UnicodeCategory.LetterNumber => '\uA6E6',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.ConnectorPunctuation => '\uFE4D',
        UnicodeCategory.DashPunctuation => '\u2E3A',
        UnicodeCategory.OpenPunctuation => '\u2E28',
        UnicodeCategory.ClosePunctuation => '\u2E29',
        UnicodeCategory.InitialQuotePunctuation => '\u2E02',
        UnicodeCategory.FinalQuotePunctuation => '\u2E03',
        UnicodeCategory.OtherPunctuation => '\uA60D',
        UnicodeCategory.MathSymbol => '\u2A00',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\uA828',
        UnicodeCategory.Format => '\u206A',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFDD0',
    };
}
