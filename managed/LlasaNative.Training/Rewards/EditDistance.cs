namespace LlasaNative.Rewards;

/// <summary>Levenshtein distance by bit-parallel rows: 64 cells at a time.</summary>
/// <remarks>
/// Myers (1999) in the block form of Hyyrö (2003). <b>Threads:</b> stateless, any thread.
/// </remarks>
public static class EditDistance
{
    /// <summary>Smallest number of insertions, deletions and substitutions that turn one sequence into the other.</summary>
    /// <param name="a">Symbols, for example code points.</param>
    /// <param name="b">Symbols.</param>
    public static int Compute(ReadOnlySpan<int> a, ReadOnlySpan<int> b)
    {
        int prefix = a.CommonPrefixLength(b);
        a = a[prefix..];
        b = b[prefix..];
        while (!a.IsEmpty && !b.IsEmpty && a[^1] == b[^1])
        {
            a = a[..^1];
            b = b[..^1];
        }

        return a.Length <= b.Length ? Distance(a, b) : Distance(b, a);
    }

    private static int Distance(ReadOnlySpan<int> pattern, ReadOnlySpan<int> text)
    {
        if (pattern.IsEmpty)
        {
            return text.Length;
        }

        int blocks = (pattern.Length + 63) / 64;
        (Dictionary<int, int> rows, ulong[] matches) = Matches(pattern, blocks);
        ulong[] increases = new ulong[blocks];
        ulong[] decreases = new ulong[blocks];
        Array.Fill(increases, ulong.MaxValue);
        ulong lastBit = 1UL << ((pattern.Length - 1) % 64);
        int score = pattern.Length;
        foreach (int symbol in text)
        {
            int row = rows.GetValueOrDefault(symbol, 0) * blocks;
            int carry = 1;
            for (int block = 0; block < blocks; block++)
            {
                ulong up = increases[block];
                ulong down = decreases[block];
                ulong equal = matches[row + block];
                ulong vertical = equal | down;
                equal |= carry < 0 ? 1UL : 0;
                ulong horizontal = (((equal & up) + up) ^ up) | equal;
                ulong rightUp = down | ~(horizontal | up);
                ulong rightDown = up & horizontal;
                ulong exit = block == blocks - 1 ? lastBit : 1UL << 63;
                int next = (rightUp & exit) != 0 ? 1 : (rightDown & exit) != 0 ? -1 : 0;
                rightUp = (rightUp << 1) | (carry > 0 ? 1UL : 0);
                rightDown = (rightDown << 1) | (carry < 0 ? 1UL : 0);
                increases[block] = rightDown | ~(vertical | rightUp);
                decreases[block] = rightUp & vertical;
                carry = next;
            }

            score += carry;
        }

        return score;
    }

    /// <summary>For each symbol of the pattern the positions it stands at; row 0 is for all others.</summary>
    private static (Dictionary<int, int> Rows, ulong[] Matches) Matches(ReadOnlySpan<int> pattern, int blocks)
    {
        Dictionary<int, int> rows = [];
        foreach (int symbol in pattern)
        {
            rows.TryAdd(symbol, rows.Count + 1);
        }

        ulong[] matches = new ulong[(rows.Count + 1) * blocks];
        for (int i = 0; i < pattern.Length; i++)
        {
            matches[(rows[pattern[i]] * blocks) + (i / 64)] |= 1UL << (i % 64);
        }

        return (rows, matches);
    }
}
