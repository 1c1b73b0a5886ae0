namespace LlasaNative.Text;

/// <summary>Unicode normalisation that needs no ICU library and gives the same result on every machine.</summary>
/// <remarks>
/// Unicode 15.0 data; code points assigned later stay as they are. Half of a surrogate pair becomes U+FFFD.
/// <para><b>Threads:</b> stateless, any thread.</para>
/// </remarks>
public static class UnicodeNormalizer
{
    private const int HangulBase = 0xAC00;
    private const int LeadBase = 0x1100;
    private const int VowelBase = 0x1161;
    private const int TrailBase = 0x11A7;
    private const int LeadCount = 19;
    private const int VowelCount = 21;
    private const int TrailCount = 28;
    private const int HangulCount = LeadCount * VowelCount * TrailCount;
    private static readonly Lazy<Data> Tables = new(Load);

    /// <summary>Normalises a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="form">Target form.</param>
    public static string Normalize(string text, UnicodeForm form)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Ascii.IsValid(text))
        {
            return text;
        }

        Data data = Tables.Value;
        bool compatibility = form is UnicodeForm.Nfkc or UnicodeForm.Nfkd;
        List<int> codePoints = new(text.Length + 8);
        foreach (Rune rune in text.EnumerateRunes())
        {
            Decompose(data, rune.Value, compatibility, codePoints);
        }

        Reorder(data, codePoints);
        if (form is UnicodeForm.Nfc or UnicodeForm.Nfkc)
        {
            Compose(data, codePoints);
        }

        StringBuilder result = new(codePoints.Count);
        foreach (int codePoint in codePoints)
        {
            result.Append(new Rune(codePoint));
        }

        return result.ToString();
    }

    private static void Decompose(Data data, int codePoint, bool compatibility, List<int> destination)
    {
        if (codePoint is >= HangulBase and < HangulBase + HangulCount)
        {
            int index = codePoint - HangulBase;
            destination.Add(LeadBase + (index / (VowelCount * TrailCount)));
            destination.Add(VowelBase + (index % (VowelCount * TrailCount) / TrailCount));
            if (index % TrailCount != 0)
            {
                destination.Add(TrailBase + (index % TrailCount));
            }
        }
        else if (codePoint >= 0xA0 && data.Decompositions.TryGetValue(codePoint, out (bool Compatibility, int[] Parts) entry)
            && (compatibility || !entry.Compatibility))
        {
            foreach (int part in entry.Parts)
            {
                Decompose(data, part, compatibility, destination);
            }
        }
        else
        {
            destination.Add(codePoint);
        }
    }

    /// <summary>Sorts each run of combining marks by class, keeping the order of equals.</summary>
    private static void Reorder(Data data, List<int> codePoints)
    {
        for (int i = 1; i < codePoints.Count; i++)
        {
            int mark = codePoints[i];
            int rank = data.Class(mark);
            int at = i;
            while (rank > 0 && at > 0 && data.Class(codePoints[at - 1]) > rank)
            {
                codePoints[at] = codePoints[at - 1];
                at--;
            }

            codePoints[at] = mark;
        }
    }

    private static void Compose(Data data, List<int> codePoints)
    {
        int starter = -1;
        int written = 0;
        int lastClass = 0;
        for (int i = 0; i < codePoints.Count; i++)
        {
            int codePoint = codePoints[i];
            int rank = data.Class(codePoint);
            bool blocked = written - 1 > starter && (lastClass == 0 || lastClass >= rank);
            if (starter >= 0 && !blocked && TryCompose(data, codePoints[starter], codePoint, out int composed))
            {
                codePoints[starter] = composed;
                continue;
            }

            if (rank == 0)
            {
                starter = written;
            }

            lastClass = rank;
            codePoints[written++] = codePoint;
        }

        codePoints.RemoveRange(written, codePoints.Count - written);
    }

    private static bool TryCompose(Data data, int first, int second, out int composed)
    {
        int lead = first - LeadBase;
        int vowel = second - VowelBase;
        if (lead is >= 0 and < LeadCount && vowel is >= 0 and < VowelCount)
        {
            composed = HangulBase + (((lead * VowelCount) + vowel) * TrailCount);
            return true;
        }

        int syllable = first - HangulBase;
        int trail = second - TrailBase;
        if (syllable is >= 0 and < HangulCount && syllable % TrailCount == 0 && trail is > 0 and < TrailCount)
        {
            composed = first + trail;
            return true;
        }

        return data.Compositions.TryGetValue(((long)first << 32) | (uint)second, out composed);
    }

    private static Data Load()
    {
        Data data = new();
        foreach (string line in EmbeddedText.ReadLines("normalization.txt"))
        {
            int space = line.IndexOf(' ', StringComparison.Ordinal);
            int codePoint = int.Parse(line.AsSpan(0, space), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            string value = line[(space + 2)..];
            char kind = line[space + 1];
            if (kind == '#')
            {
                data.Classes[codePoint] = byte.Parse(value, CultureInfo.InvariantCulture);
                continue;
            }

            int[] parts = [.. value.Split(' ').Select(p => int.Parse(p, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
            data.Decompositions[codePoint] = (kind == '~', parts);
            if (kind == '=')
            {
                data.Compositions[((long)parts[0] << 32) | (uint)parts[1]] = codePoint;
            }
        }

        return data;
    }

    private sealed class Data
    {
        public Dictionary<int, byte> Classes { get; } = [];

        public Dictionary<int, (bool Compatibility, int[] Parts)> Decompositions { get; } = [];

        public Dictionary<long, int> Compositions { get; } = [];

        public int Class(int codePoint) => codePoint < 0x300 ? 0 : Classes.GetValueOrDefault(codePoint);
    }
}
