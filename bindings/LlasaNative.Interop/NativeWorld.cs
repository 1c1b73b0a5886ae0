using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>The processes of a run, its ranks: joined by MPI where mpirun, mpiexec or srun started them, else this one alone.</summary>
/// <remarks>
/// Every rank makes the same calls in the same order. <b>Threads:</b> one at a time, but for <see cref="Check"/> and <see cref="Abort"/>.
/// <b>Lifetime:</b> call <see cref="Finish"/> before disposing it, else the other ranks' next call fails.
/// </remarks>
public sealed class NativeWorld : IDisposable
{
    private readonly WorldHandle _handle;
    private readonly NativeWorldInfo _info;

    private NativeWorld(WorldHandle handle)
    {
        _handle = handle;
        _info = Native.WorldGetInfo(handle);
    }

    /// <summary>Joins the world this process was started in.</summary>
    /// <exception cref="NativeException">MPI is lacking, or this process joined one of several ranks before.</exception>
    public static NativeWorld Join() => new(Native.WorldCreate());

    /// <summary>This process's place, from 0.</summary>
    public int Rank => _info.Rank;

    /// <summary>Number of processes.</summary>
    public int Size => _info.Size;

    /// <summary>This process's place among those of its machine.</summary>
    public int LocalRank => _info.LocalRank;

    /// <summary>Processes of this machine.</summary>
    public int LocalSize => _info.LocalSize;

    /// <summary>Compute threads that are this process's share of the processors it may use.</summary>
    public int Threads => _info.NumThreads;

    /// <summary>MPI's name and version; empty where there is one process.</summary>
    public string Library => _info.Library;

    /// <summary>NCCL's name and version, once there is a trainer of several ranks; empty where it carries nothing between their GPUs.</summary>
    public string DeviceLibrary => Native.WorldGetInfo(_handle).DeviceLibrary;

    /// <summary>Why NCCL carries nothing, and arrays go through the hosts' memory; empty where it does, before there is a trainer, and on the CPU.</summary>
    public string DeviceRefusal => Native.WorldGetInfo(_handle).DeviceRefusal;

    internal WorldHandle Handle => _handle;

    /// <summary>What each rank gives, in their order; sizes may differ.</summary>
    /// <param name="mine">This rank's bytes.</param>
    /// <returns>[ranks] the bytes of each.</returns>
    public byte[][] AllGather(ReadOnlySpan<byte> mine)
    {
        if (Size == 1)
        {
            return [mine.ToArray()];
        }

        var (sizes, eight) = (new long[Size], new long[Size]);
        Array.Fill(eight, sizeof(long));
        long own = mine.Length;
        Native.WorldAllGather(_handle, MemoryMarshal.AsBytes(new ReadOnlySpan<long>(in own)), eight, MemoryMarshal.AsBytes(sizes.AsSpan()));
        var all = new byte[sizes.Sum()];
        Native.WorldAllGather(_handle, mine, sizes, all);
        var parts = new byte[Size][];
        for (int r = 0, next = 0; r < Size; next += (int)sizes[r++])
        {
            parts[r] = all[next..(next + (int)sizes[r])];
        }

        return parts;
    }

    /// <summary>Returns when every rank has called it.</summary>
    public void Barrier() => Native.WorldBarrier(_handle);

    /// <summary>Throws once another rank is known to be gone. Threads: any, beside a call that waits.</summary>
    /// <exception cref="NativeException">Which, and since when.</exception>
    public void Check() => Native.WorldCheck(_handle);

    /// <summary>Waits for all ranks and takes leave of them.</summary>
    public void Finish() => Native.WorldFinish(_handle);

    /// <summary>Ends the processes of all ranks, this one included. Threads: any, beside a call that waits.</summary>
    /// <param name="exitCode">Theirs.</param>
    public void Abort(int exitCode) => Native.WorldAbort(_handle, exitCode);

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();
}
