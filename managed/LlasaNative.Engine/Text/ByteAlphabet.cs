namespace LlasaNative.Text;

/// <summary>
/// GPT-2's way to write any byte as a printable character: printable Latin-1 bytes stand for themselves, the other 68 are
/// written as U+0100, U+0101, … in order.
/// </summary>
internal static class ByteAlphabet
{
    private const int LastCodePoint = 0x143;
    private static readonly char[] ByteToChar = BuildByteToChar();
    private static readonly short[] CharToByte = BuildCharToByte();

    /// <summary>Translates UTF-8 text in the alphabet to the bytes it stands for; false when a character is not of the alphabet.</summary>
    public static bool TryToBytes(ReadOnlySpan<byte> utf8, Span<byte> destination, out int written)
    {
        written = 0;
        for (int i = 0; i < utf8.Length; i++)
        {
            int codePoint = utf8[i];
            if (codePoint >= 0x80)
            {
                // Two bytes reach U+07FF, beyond the alphabet; longer sequences are never part of it.
                if ((codePoint & 0xE0) != 0xC0 || i + 1 == utf8.Length)
                {
                    return false;
                }

                codePoint = ((codePoint & 0x1F) << 6) | (utf8[++i] & 0x3F);
            }

            if (codePoint > LastCodePoint || CharToByte[codePoint] < 0)
            {
                return false;
            }

            destination[written++] = (byte)CharToByte[codePoint];
        }

        return true;
    }

    /// <summary>Writes bytes in the alphabet.</summary>
    public static string ToText(ReadOnlySpan<byte> bytes)
    {
        StringBuilder text = new(bytes.Length);
        foreach (byte value in bytes)
        {
            text.Append(ByteToChar[value]);
        }

        return text.ToString();
    }

    private static char[] BuildByteToChar()
    {
        char[] table = new char[256];
        int next = 0x100;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            table[b] = (char)(printable ? b : next++);
        }

        return table;
    }

    private static short[] BuildCharToByte()
    {
        short[] table = new short[LastCodePoint + 1];
        Array.Fill(table, (short)-1);
        for (int b = 0; b < 256; b++)
        {
            table[ByteToChar[b]] = (short)b;
        }

        return table;
    }
}
