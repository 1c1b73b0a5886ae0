namespace LlasaNative.Interop;

/// <summary>The kernels that can be called alone, on host arrays.</summary>
public static class NativeKernels
{
    /// <summary>Draws one token per row of logits, fused: penalty, temperature, top-k, top-p, min-p, draw.</summary>
    /// <param name="sampling">How tokens are drawn.</param>
    /// <param name="logits">[rows, V].</param>
    /// <param name="vocabSize">V.</param>
    /// <param name="sequenceIds">[rows] key of the random numbers.</param>
    /// <param name="positions">[rows] key of the random numbers.</param>
    /// <param name="ids">[rows] drawn tokens.</param>
    /// <param name="logProbs">[rows] log-prob of each.</param>
    /// <param name="historyOffsets">[rows+1] into <paramref name="historyIds"/>; empty = no history.</param>
    /// <param name="historyIds">Tokens the repetition penalty applies to.</param>
    public static void Sample(
        in NativeSamplingOptions sampling, ReadOnlySpan<float> logits, int vocabSize, ReadOnlySpan<ulong> sequenceIds,
        ReadOnlySpan<long> positions, Span<int> ids, Span<float> logProbs,
        ReadOnlySpan<long> historyOffsets = default, ReadOnlySpan<int> historyIds = default) =>
        Native.Sample(sampling, logits, sequenceIds.Length, vocabSize, historyOffsets, historyIds, sequenceIds, positions, ids, logProbs);

    /// <summary>The distribution <see cref="Sample"/> draws from; exactly 0 for dropped tokens.</summary>
    /// <param name="sampling">How tokens are drawn.</param>
    /// <param name="logits">[rows, V].</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="vocabSize">V.</param>
    /// <param name="probabilities">[rows, V].</param>
    /// <param name="historyOffsets">[rows+1] into <paramref name="historyIds"/>; empty = no history.</param>
    /// <param name="historyIds">Tokens the repetition penalty applies to.</param>
    public static void SamplingDistribution(
        in NativeSamplingOptions sampling, ReadOnlySpan<float> logits, int rows, int vocabSize, Span<float> probabilities,
        ReadOnlySpan<long> historyOffsets = default, ReadOnlySpan<int> historyIds = default) =>
        Native.SamplingDistribution(sampling, logits, rows, vocabSize, historyOffsets, historyIds, probabilities);

    /// <summary>Group-relative advantages. Threads: any.</summary>
    /// <param name="estimator">GRPO, Dr.GRPO or RLOO.</param>
    /// <param name="rewards">[I] rewards; NaN spreads through its own group only.</param>
    /// <param name="groupIds">[I] which samples belong together.</param>
    /// <param name="advantages">[I] result; may be the rewards' own memory.</param>
    /// <param name="mask">[I] 0 = takes no part and gets 0; empty = all take part.</param>
    /// <param name="epsilon">Added to the standard deviation.</param>
    public static void GroupAdvantage(
        NativeAdvantageEstimator estimator, ReadOnlySpan<float> rewards, ReadOnlySpan<long> groupIds, Span<float> advantages,
        ReadOnlySpan<byte> mask = default, float epsilon = 1e-6f) =>
        Native.GroupAdvantage(estimator, epsilon, rewards, groupIds, mask, advantages);
}
