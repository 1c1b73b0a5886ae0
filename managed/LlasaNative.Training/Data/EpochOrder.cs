namespace LlasaNative.Data;

/// <summary>An endless walk through a data set, each epoch in its own order.</summary>
/// <remarks>
/// Position p is a pure function of (seed, p): a run is resumed by going on at the position it had reached.
/// <b>Threads:</b> one at a time.
/// </remarks>
/// <param name="count">Items in the data set, at least 1.</param>
/// <param name="seed">Decides the orders.</param>
/// <param name="shuffle">False: every epoch in the order of the file.</param>
public sealed class EpochOrder(int count, ulong seed, bool shuffle)
{
    private readonly int _count = count >= 1 ? count : throw new ArgumentOutOfRangeException(nameof(count), count, "A walk needs at least one item.");
    private long _epoch = -1;
    private int[] _order = [];

    /// <summary>The item at a position of the walk.</summary>
    /// <param name="position">At least 0.</param>
    public int this[long position]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(position);
            var (epoch, offset) = Math.DivRem(position, _count);
            if (!shuffle)
            {
                return (int)offset;
            }

            if (epoch != _epoch)
            {
                _order = Philox.Permutation(seed, (ulong)epoch, _count);
                _epoch = epoch;
            }

            return _order[offset];
        }
    }
}
