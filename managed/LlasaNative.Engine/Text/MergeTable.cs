using System.Numerics;

namespace LlasaNative.Text;

/// <summary>Rank and result of merging two neighbours. Open addressing: the encoder asks it several times per byte.</summary>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;
    private ulong[] _keys;
    private ulong[] _values;
    private int _shift;
    private int _count;

    public MergeTable(int expected)
    {
        int capacity = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, 2L * expected));
        (_keys, _values, _shift) = Allocate(capacity);
    }

    /// <summary>Adds a merge; the last one given for a pair counts.</summary>
    public void Add(int left, int right, int rank, int merged)
    {
        if (2 * (_count + 1) > _keys.Length)
        {
            Grow();
        }

        Put(Key(left, right), ((ulong)(uint)rank << 32) | (uint)merged);
    }

    /// <summary>Finds a merge: rank in the upper half, id of the result in the lower.</summary>
    public bool TryGet(int left, int right, out ulong merge)
    {
        ulong key = Key(left, right);
        int mask = _keys.Length - 1;
        for (int at = Slot(key); ; at = (at + 1) & mask)
        {
            if (_keys[at] == key)
            {
                merge = _values[at];
                return true;
            }

            if (_keys[at] == Empty)
            {
                merge = 0;
                return false;
            }
        }
    }

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    private static (ulong[] Keys, ulong[] Values, int Shift) Allocate(int capacity)
    {
        ulong[] keys = new ulong[capacity];
        Array.Fill(keys, Empty);
        return (keys, new ulong[capacity], 64 - BitOperations.Log2((uint)capacity));
    }

    // Fibonacci hashing: both ids are small, and their exclusive or would collide all the time.
    private int Slot(ulong key) => (int)((key * 0x9E3779B97F4A7C15) >> _shift);

    private void Put(ulong key, ulong value)
    {
        int mask = _keys.Length - 1;
        int at = Slot(key);
        while (_keys[at] != Empty && _keys[at] != key)
        {
            at = (at + 1) & mask;
        }

        _count += _keys[at] == Empty ? 1 : 0;
        _keys[at] = key;
        _values[at] = value;
    }

    private void Grow()
    {
        (ulong[] keys, ulong[] values) = (_keys, _values);
        (_keys, _values, _shift) = Allocate(2 * keys.Length);
        _count = 0;
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] != Empty)
            {
                Put(keys[i], values[i]);
            }
        }
    }
}
