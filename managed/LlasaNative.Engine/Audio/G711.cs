namespace LlasaNative.Audio;

/// <summary>The two logarithmic codes of telephony (ITU-T G.711), 8 bits a sample.</summary>
/// <remarks>Each code is a sign, three bits of a segment and four of a place in it; values as 16-bit numbers, as every decoder gives them.</remarks>
internal static class G711
{
    /// <summary>The value of a code of the mu-law, within ±32124.</summary>
    /// <param name="code">The code; all its bits are sent inverted.</param>
    public static int FromMuLaw(byte code)
    {
        const int Bias = 0x84;
        int bits = code ^ 0xFF;
        int size = ((((bits & 0xF) << 3) + Bias) << (bits >> 4 & 7)) - Bias;
        return (bits & 0x80) == 0 ? size : -size;
    }

    /// <summary>The value of a code of the A-law, within ±32256.</summary>
    /// <param name="code">The code; every second of its bits is sent inverted.</param>
    public static int FromALaw(byte code)
    {
        int bits = code ^ 0x55;
        int segment = bits >> 4 & 7;
        int place = ((bits & 0xF) << 4) + 8;
        int size = segment == 0 ? place : (place + 0x100) << (segment - 1);
        return (bits & 0x80) != 0 ? size : -size;
    }
}
