using System.Text.RegularExpressions;

namespace LlasaNative.Text;

/// <summary>What Whisper's two normalisers share.</summary>
internal static partial class WhisperText
{
    public static string RemoveBracketed(string text) =>
        Parentheses().Replace(Brackets().Replace(text, string.Empty), string.Empty);

    public static string CollapseSpaces(string text) => Spaces().Replace(text, " ");

    /// <summary>Marks, symbols and punctuation become spaces.</summary>
    public static string RemoveSymbols(string text) => string.Concat(UnicodeNormalizer.Normalize(text, UnicodeForm.Nfkc).EnumerateRunes().Select(Spaced));

    /// <summary>The same, but letters lose their diacritics, and the characters to keep stay.</summary>
    public static string RemoveSymbolsAndDiacritics(string text, string keep = "") =>
        string.Concat(UnicodeNormalizer.Normalize(text, UnicodeForm.Nfkd).EnumerateRunes().Select(rune =>
            rune.IsBmp && keep.Contains((char)rune.Value, StringComparison.Ordinal) ? rune.ToString()
            : Undecomposed(rune.Value) ?? (Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark ? "" : Spaced(rune))));

    private static string Spaced(Rune rune) => IsMark(rune) || Rune.IsSymbol(rune) || Rune.IsPunctuation(rune) ? " " : rune.ToString();

    /// <summary>Letters with a stroke or a ligature, which normalisation does not take apart.</summary>
    private static string? Undecomposed(int codePoint) => codePoint switch
    {
        'œ' => "oe",
        'Œ' => "OE",
        'ø' => "o",
        'Ø' => "O",
        'æ' => "ae",
        'Æ' => "AE",
        'ß' => "ss",
        'ẞ' => "SS",
        'đ' or 'ð' => "d",
        'Đ' or 'Ð' => "D",
        'þ' or 'Þ' => "th",
        'ł' => "l",
        'Ł' => "L",
        _ => null,
    };

    private static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    [GeneratedRegex(@"[<\[][^>\]]*[>\]]")]
    private static partial Regex Brackets();

    [GeneratedRegex(@"\([^)]+?\)")]
    private static partial Regex Parentheses();

    [GeneratedRegex(@"[" + PythonText.SpaceClass + "]+")]
    private static partial Regex Spaces();
}
