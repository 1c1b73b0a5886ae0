namespace LlasaNative.Text;

/// <summary>The bytes of every token by id, and the id of given bytes.</summary>
internal sealed class TokenTable
{
    /// <summary>Ids from here on are refused: the tables are arrays indexed by id.</summary>
    public const int MaxId = 1 << 24;

    private byte[] _blob = new byte[1 << 12];
    private int _blobLength;
    private int[] _start = [];
    private int[] _length = [];
    private int[] _slots = new int[1 << 10];
    private int _hashed;

    /// <summary>One more than the largest id.</summary>
    public int Count { get; private set; }

    /// <summary>Whether an id names a token.</summary>
    public bool Contains(int id) => (uint)id < (uint)Count && _length[id] >= 0;

    /// <summary>The bytes of a token; empty for an id that names none.</summary>
    public ReadOnlySpan<byte> Bytes(int id) => Contains(id) ? _blob.AsSpan(_start[id], _length[id]) : [];

    /// <summary>Adds a token. Only tokens that text can be encoded to are found by <see cref="Find"/>.</summary>
    public void Add(int id, ReadOnlySpan<byte> bytes, bool findable)
    {
        Reserve(id + 1);
        if (_blob.Length - _blobLength < bytes.Length)
        {
            Array.Resize(ref _blob, Math.Max(_blob.Length * 2, _blobLength + bytes.Length));
        }

        bytes.CopyTo(_blob.AsSpan(_blobLength));
        _start[id] = _blobLength;
        _length[id] = bytes.Length;
        _blobLength += bytes.Length;
        if (findable && !bytes.IsEmpty && Find(bytes) < 0)
        {
            Insert(id);
        }
    }

    /// <summary>The id of the token with exactly these bytes; -1 when there is none.</summary>
    public int Find(ReadOnlySpan<byte> bytes)
    {
        int mask = _slots.Length - 1;
        for (int at = Hash(bytes) & mask; ; at = (at + 1) & mask)
        {
            int id = _slots[at] - 1;
            if (id < 0 || _blob.AsSpan(_start[id], _length[id]).SequenceEqual(bytes))
            {
                return id;
            }
        }
    }

    private static int Hash(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 14695981039346656037;
        foreach (byte value in bytes)
        {
            hash = (hash ^ value) * 1099511628211;
        }

        return (int)(hash ^ (hash >> 29));
    }

    private void Reserve(int count)
    {
        if (count > _start.Length)
        {
            int old = _start.Length;
            int capacity = Math.Max(count, Math.Max(256, old * 2));
            Array.Resize(ref _start, capacity);
            Array.Resize(ref _length, capacity);
            Array.Fill(_length, -1, old, capacity - old);
        }

        Count = Math.Max(Count, count);
    }

    private void Insert(int id)
    {
        if (2 * (_hashed + 1) > _slots.Length)
        {
            int[] old = _slots;
            _slots = new int[old.Length * 2];
            foreach (int slot in old)
            {
                if (slot > 0)
                {
                    Place(slot - 1);
                }
            }
        }

        Place(id);
        _hashed++;
    }

    private void Place(int id)
    {
        int mask = _slots.Length - 1;
        int at = Hash(_blob.AsSpan(_start[id], _length[id])) & mask;
        while (_slots[at] != 0)
        {
            at = (at + 1) & mask;
        }

        _slots[at] = id + 1;
    }
}
