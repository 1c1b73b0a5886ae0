namespace LlasaNative.Text;

/// <summary>Byte-pair merging: the pair with the lowest rank first, the leftmost of equals.</summary>
/// <remarks>Immutable after it is filled; any thread.</remarks>
internal sealed class BpeMerger
{
    private const int ShortPiece = 96;
    private const uint NoMerge = uint.MaxValue;

    private readonly MergeTable _merges;
    private readonly int[] _byteToId = new int[256];

    public BpeMerger(TokenTable tokens, int expectedMerges)
    {
        _merges = new MergeTable(expectedMerges);
        for (int b = 0; b < 256; b++)
        {
            _byteToId[b] = tokens.Find([(byte)b]);
        }
    }

    /// <summary>Whether some byte has no token of its own; such bytes are left out of the result, as in the reference.</summary>
    public bool LacksBytes => _byteToId.Contains(-1);

    public void Add(int left, int right, int rank, int merged) =>
        _merges.Add(left, right, rank, merged);

    public void Encode(ReadOnlySpan<byte> bytes, List<int> destination)
    {
        if (bytes.Length <= ShortPiece)
        {
            EncodeShort(bytes, destination);
        }
        else
        {
            EncodeLong(bytes, destination);
        }
    }

    private int Symbols(ReadOnlySpan<byte> bytes, Span<int> ids)
    {
        int count = 0;
        foreach (byte value in bytes)
        {
            if (_byteToId[value] >= 0)
            {
                ids[count++] = _byteToId[value];
            }
        }

        return count;
    }

    /// <summary>Rank of merging two ids and the id that results; <see cref="NoMerge"/> when they do not merge.</summary>
    private (uint Rank, int Id) Look(int left, int right) =>
        _merges.TryGet(left, right, out ulong merge) ? ((uint)(merge >> 32), (int)(uint)merge) : (NoMerge, -1);

    /// <summary>Scans for the best pair each time: quadratic, and the fastest way for the pieces that text consists of.</summary>
    private void EncodeShort(ReadOnlySpan<byte> bytes, List<int> destination)
    {
        Span<int> ids = stackalloc int[ShortPiece];
        Span<uint> ranks = stackalloc uint[ShortPiece];
        Span<int> results = stackalloc int[ShortPiece];
        int count = Symbols(bytes, ids);
        for (int i = 0; i + 1 < count; i++)
        {
            (ranks[i], results[i]) = Look(ids[i], ids[i + 1]);
        }

        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i < count - 1; i++)
            {
                best = ranks[i] < ranks[best] ? i : best;
            }

            if (ranks[best] == NoMerge)
            {
                break;
            }

            ids[best] = results[best];
            ids[(best + 2)..count].CopyTo(ids[(best + 1)..]);
            ranks[(best + 1)..(count - 1)].CopyTo(ranks[best..]);
            results[(best + 1)..(count - 1)].CopyTo(results[best..]);
            count--;
            if (best > 0)
            {
                (ranks[best - 1], results[best - 1]) = Look(ids[best - 1], ids[best]);
            }

            if (best + 1 < count)
            {
                (ranks[best], results[best]) = Look(ids[best], ids[best + 1]);
            }
        }

        destination.AddRange(ids[..count]);
    }

    /// <summary>Linked list and heap: n log n, for pieces of any length.</summary>
    private void EncodeLong(ReadOnlySpan<byte> bytes, List<int> destination)
    {
        int[] ids = new int[bytes.Length];
        int count = Symbols(bytes, ids);
        int[] next = new int[count];
        int[] previous = new int[count];
        uint[] ranks = new uint[count];
        PriorityQueue<int, ulong> queue = new(count);
        for (int i = 0; i < count; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
            ranks[i] = NoMerge;
        }

        for (int i = 0; i < count; i++)
        {
            Offer(i);
        }

        while (queue.TryDequeue(out int at, out ulong key))
        {
            if (ranks[at] == NoMerge || ranks[at] != (uint)(key >> 32))
            {
                continue;
            }

            int right = next[at];
            ids[at] = Look(ids[at], ids[right]).Id;
            ranks[right] = NoMerge;
            next[at] = next[right];
            if (next[at] < count)
            {
                previous[next[at]] = at;
            }

            Offer(at);
            if (previous[at] >= 0)
            {
                Offer(previous[at]);
            }
        }

        for (int i = 0; i < count; i = next[i])
        {
            destination.Add(ids[i]);
        }

        void Offer(int at)
        {
            ranks[at] = next[at] < count ? Look(ids[at], ids[next[at]]).Rank : NoMerge;
            if (ranks[at] != NoMerge)
            {
                queue.Enqueue(at, ((ulong)ranks[at] << 32) | (uint)at);
            }
        }
    }
}
