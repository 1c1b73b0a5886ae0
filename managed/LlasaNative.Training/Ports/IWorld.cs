namespace LlasaNative.Training;

/// <summary>The processes of a run, its ranks.</summary>
/// <remarks>Every rank makes the same calls in the same order. <b>Threads:</b> one at a time.</remarks>
public interface IWorld
{
    /// <summary>This process's place, from 0.</summary>
    int Rank { get; }

    /// <summary>Number of processes.</summary>
    int Size { get; }

    /// <summary>What each rank gives, in their order; sizes may differ.</summary>
    /// <param name="mine">This rank's bytes.</param>
    /// <returns>[ranks] the bytes of each.</returns>
    byte[][] AllGather(ReadOnlySpan<byte> mine);
}
