namespace LlasaNative.Training;

/// <summary>Normalises rewards within their groups, where the engine computes.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
public interface IGroupKernel
{
    /// <summary>Normalises.</summary>
    /// <param name="baseline">What is taken from each reward.</param>
    /// <param name="epsilon">Added to a deviation before it divides.</param>
    /// <param name="rewards">[B].</param>
    /// <param name="groups">[B] which group each belongs to.</param>
    /// <param name="mask">[B] 1 = takes part; the others get 0.</param>
    /// <param name="advantages">[B] receives the outcome.</param>
    void Normalize(GroupBaseline baseline, double epsilon, ReadOnlySpan<float> rewards, ReadOnlySpan<long> groups, ReadOnlySpan<byte> mask, Span<float> advantages);
}
