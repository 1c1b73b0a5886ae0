namespace LlasaNative.Text;

/// <summary>The character classes that tokenizer patterns distinguish, by code point.</summary>
internal static class CharacterClass
{
    /// <summary>Neither letter, number nor white space.</summary>
    public const byte Other = 0;

    /// <summary>General category L.</summary>
    public const byte Letter = 1;

    /// <summary>General category N.</summary>
    public const byte Number = 2;

    /// <summary>Unicode White_Space, set for line breaks too.</summary>
    public const byte Space = 4;

    /// <summary>Carriage return or line feed; always with <see cref="Space"/>.</summary>
    public const byte LineBreak = 8;

    private static readonly byte[] Table = BuildTable();

    /// <summary>Class of the code point at an index; half of a surrogate pair counts as <see cref="Other"/>.</summary>
    public static byte At(ReadOnlySpan<char> text, int index, out int length)
    {
        char c = text[index];
        if (char.IsHighSurrogate(c) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            length = 2;
            return Of(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(c, text[index + 1])));
        }

        length = 1;
        return Table[c];
    }

    /// <summary>Index after the run of code points whose class is exactly the given one.</summary>
    public static int SkipRun(ReadOnlySpan<char> text, int index, byte wanted)
    {
        while (index < text.Length && At(text, index, out int length) == wanted)
        {
            index += length;
        }

        return index;
    }

    private static byte Of(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Number,
        _ => Other,
    };

    private static byte[] BuildTable()
    {
        byte[] table = new byte[char.MaxValue + 1];
        for (int c = 0; c < table.Length; c++)
        {
            // All white space lies in the basic plane, and .NET's notion of it is Unicode's White_Space.
            table[c] = char.IsWhiteSpace((char)c) ? Space : Of(CharUnicodeInfo.GetUnicodeCategory((char)c));
        }

        table['\r'] = table['\n'] = Space | LineBreak;
        return table;
    }
}
