using System.Runtime.InteropServices;

namespace LlasaNative.Training;

/// <summary>How the ranks of a world share work: by contiguous parts in their order, so that everything has the order it has in one process.</summary>
public static class Ranks
{
    /// <summary>A world of this process alone.</summary>
    public static IWorld Alone { get; } = new SoleWorld();

    /// <summary>A rank's part of a number of equal things.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="count">Number of things.</param>
    public static Range Share(this IWorld world, int count)
    {
        ArgumentNullException.ThrowIfNull(world);
        return (int)((long)count * world.Rank / world.Size)..(int)((long)count * (world.Rank + 1) / world.Size);
    }

    /// <summary>A rank's part of things of different weight: the ranks' weights differ by about that of one thing.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="weights">What each thing costs, at least 0.</param>
    public static Range Share(this IWorld world, IReadOnlyList<long> weights)
    {
        ArgumentNullException.ThrowIfNull(world);
        var all = weights.Sum();
        var (first, end) = (0, 0);
        long before = 0;
        for (var i = 0; i < weights.Count; i++)
        {
            // The thing belongs to the rank in whose part of the weights its middle lies.
            var middle = before + (weights[i] / 2);
            first += middle * world.Size < all * world.Rank ? 1 : 0;
            end += middle * world.Size < all * (world.Rank + 1) ? 1 : 0;
            before += weights[i];
        }

        return first..(world.Rank == world.Size - 1 ? weights.Count : end);
    }

    /// <summary>Whether any rank says so.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="mine">What this one says.</param>
    public static bool Any(this IWorld world, bool mine)
    {
        ArgumentNullException.ThrowIfNull(world);
        return world.Size == 1 ? mine : world.AllGather([mine ? (byte)1 : (byte)0]).Any(said => said[0] != 0);
    }

    /// <summary>The arrays of all ranks, one after another.</summary>
    /// <param name="world">The ranks.</param>
    /// <param name="mine">This one's.</param>
    public static T[] Join<T>(this IWorld world, T[] mine)
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(world);
        return world.Size == 1 ? mine : [.. world.AllGather(MemoryMarshal.AsBytes(mine.AsSpan())).SelectMany(part => MemoryMarshal.Cast<byte, T>(part).ToArray())];
    }

    private sealed class SoleWorld : IWorld
    {
        public int Rank => 0;

        public int Size => 1;

        public byte[][] AllGather(ReadOnlySpan<byte> mine) => [mine.ToArray()];
    }
}
