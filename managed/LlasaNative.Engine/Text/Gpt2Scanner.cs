using static LlasaNative.Text.CharacterClass;

namespace LlasaNative.Text;

/// <summary>The GPT-2 split pattern, which Whisper uses too, by hand.</summary>
internal sealed class Gpt2Scanner : PieceScanner
{
    /// <summary>The pattern as GPT-2 published it.</summary>
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>The same pattern as the tokenizers library writes it.</summary>
    public const string EquivalentPattern = @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

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
        if (text[at] == '\'')
        {
            ReadOnlySpan<char> rest = text[(at + 1)..];
            if (rest.Length > 0 && rest[0] is 's' or 'd' or 'm' or 't')
            {
                return at + 2;
            }

            if (rest.StartsWith("ll") || rest.StartsWith("ve") || rest.StartsWith("re"))
            {
                return at + 3;
            }
        }

        byte kind = At(text, at, out int length);
        int after = at + length;
        if ((kind & Space) == 0)
        {
            return SkipRun(text, after, kind);
        }

        if (text[at] == ' ' && after < text.Length && At(text, after, out length) is var next && (next & Space) == 0)
        {
            return SkipRun(text, after + length, next);
        }

        int end = at;
        while (end < text.Length && (At(text, end, out _) & Space) != 0)
        {
            end++;
        }

        return EndOfSpaces(at, end, text.Length);
    }
}
