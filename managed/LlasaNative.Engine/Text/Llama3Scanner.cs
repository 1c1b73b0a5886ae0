using static LlasaNative.Text.CharacterClass;

namespace LlasaNative.Text;

/// <summary>
/// The Llama-3 split pattern, by hand: letters outside the basic plane are letters, and nothing backtracks.
/// </summary>
internal sealed class Llama3Scanner : PieceScanner
{
    /// <summary>The pattern as it stands in tokenizer.json.</summary>
    public const string Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public override void Split(ReadOnlySpan<char> text, int offset, List<int> ends)
    {
        for (int at = 0; at < text.Length;)
        {
            at = Next(text, at);
            ends.Add(offset + at);
        }
    }

    private static int Next(ReadOnlySpan<char> text, int at)
    {
        byte kind = At(text, at, out int length);
        if (text[at] == '\'' && Contraction(text[(at + 1)..]) is > 0 and int letters)
        {
            return at + 1 + letters;
        }

        int after = at + length;
        if (kind == Letter)
        {
            return SkipRun(text, after, Letter);
        }

        if (kind is Other or Space && after < text.Length && At(text, after, out int letterLength) == Letter)
        {
            return SkipRun(text, after + letterLength, Letter);
        }

        if (kind == Number)
        {
            for (int digits = 1; digits < 3 && after < text.Length && At(text, after, out length) == Number; digits++)
            {
                after += length;
            }

            return after;
        }

        bool symbols = kind == Other || (text[at] == ' ' && after < text.Length && At(text, after, out _) == Other);
        if (symbols)
        {
            int end = SkipRun(text, after, Other);
            while (end < text.Length && text[end] is '\r' or '\n')
            {
                end++;
            }

            return end;
        }

        return Spaces(text, at);
    }

    private static int Spaces(ReadOnlySpan<char> text, int at)
    {
        int lastBreak = -1;
        int end = at;
        while (end < text.Length && At(text, end, out _) is var kind && (kind & Space) != 0)
        {
            lastBreak = (kind & LineBreak) != 0 ? end : lastBreak;
            end++;
        }

        return lastBreak >= 0 ? lastBreak + 1 : EndOfSpaces(at, end, text.Length);
    }

    /// <summary>Length of s, t, re, ve, m, ll or d in either case; 0 when the text starts with none of them.</summary>
    private static int Contraction(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty)
        {
            return 0;
        }

        // U+017F, the long s, folds to s; no other letter here has a partner outside ASCII.
        if (text[0] is 's' or 'S' or '\u017F' or 't' or 'T' or 'm' or 'M' or 'd' or 'D')
        {
            return 1;
        }

        if (text.Length > 1 && (text[0] | 0x20, text[1] | 0x20) is ('r', 'e') or ('v', 'e') or ('l', 'l')
            && char.IsAsciiLetter(text[0]) && char.IsAsciiLetter(text[1]))
        {
            return 2;
        }

        return 0;
    }
}
