using System.Text;

namespace LlasaNative.Interop;

/// <summary>Argument checks that keep native code inside the arrays it is given.</summary>
internal static class Checks
{
    /// <summary>An array must hold at least <paramref name="needed"/> elements.</summary>
    public static void Length(long length, long needed, string name)
    {
        if (length < needed)
        {
            throw new ArgumentException($"{length} elements, expected at least {needed}", name);
        }
    }

    /// <summary>As <see cref="Length"/>, but an empty array means "none".</summary>
    public static void OptionalLength(long length, long needed, string name)
    {
        if (length > 0)
        {
            Length(length, needed, name);
        }
    }

    /// <summary>Offsets must start at 0 and never fall. Returns the last one, 0 for an empty array.</summary>
    public static long Offsets(ReadOnlySpan<long> offsets, string name)
    {
        for (var i = 0; i < offsets.Length; i++)
        {
            if (offsets[i] < (i == 0 ? 0 : offsets[i - 1]) || (i == 0 && offsets[0] != 0))
            {
                throw new ArgumentException($"offsets must start at 0 and never fall; entry {i} is {offsets[i]}", name);
            }
        }

        return offsets.IsEmpty ? 0 : offsets[^1];
    }

    /// <summary>Offsets of B items have B + 1 entries. Returns B.</summary>
    public static long ItemCount(ReadOnlySpan<long> offsets, string name)
    {
        if (offsets.IsEmpty)
        {
            throw new ArgumentException("no offsets; a batch of B items has B + 1", name);
        }

        return offsets.Length - 1;
    }

    /// <summary>Text of a zero-terminated field.</summary>
    public static string Text(ReadOnlySpan<byte> utf8)
    {
        var end = utf8.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? utf8 : utf8[..end]);
    }
}
