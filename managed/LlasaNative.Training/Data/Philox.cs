namespace LlasaNative.Data;

/// <summary>Philox4x32-10: random numbers as a pure function of a key and a counter (Salmon et al., SC 2011).</summary>
/// <remarks>The managed side's only source of randomness. <b>Threads:</b> any.</remarks>
public static class Philox
{
    /// <summary>The 128 bits of a counter, as two 64-bit numbers.</summary>
    /// <param name="key">The seed.</param>
    /// <param name="low">Lower half of the counter.</param>
    /// <param name="high">Upper half of the counter.</param>
    public static (ulong First, ulong Second) Draw(ulong key, ulong low, ulong high)
    {
        uint c0 = (uint)low, c1 = (uint)(low >> 32), c2 = (uint)high, c3 = (uint)(high >> 32);
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (var round = 0; round < 10; round++)
        {
            var p0 = 0xD2511F53UL * c0;
            var p1 = 0xCD9E8D57UL * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (((ulong)c1 << 32) | c0, ((ulong)c3 << 32) | c2);
    }

    /// <summary>A whole number below a bound, each equally likely.</summary>
    /// <param name="key">The seed.</param>
    /// <param name="stream">Which sequence of numbers.</param>
    /// <param name="index">Which number of the sequence.</param>
    /// <param name="bound">At least 1.</param>
    public static int Below(ulong key, ulong stream, ulong index, int bound)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bound, 1);
        // High half of a 64 x 32 bit product: the bias is below bound / 2^64.
        return (int)Math.BigMul(Draw(key, index, stream).First, (ulong)bound, out _);
    }

    /// <summary>A permutation of 0 .. count - 1 (Fisher and Yates).</summary>
    /// <param name="key">The seed.</param>
    /// <param name="stream">Which permutation.</param>
    /// <param name="count">At least 0.</param>
    public static int[] Permutation(ulong key, ulong stream, int count)
    {
        var order = Enumerable.Range(0, count).ToArray();
        for (var i = count - 1; i > 0; i--)
        {
            var j = Below(key, stream, (ulong)i, i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }
}
