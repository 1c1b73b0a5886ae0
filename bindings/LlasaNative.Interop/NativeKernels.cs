namespace LlasaNative.Interop;

/// <summary>The kernels that can be called alone, on arrays of the host or of a device.</summary>
/// <remarks>
/// On a device: the work goes behind what the stream holds and before what it is given later, and the call does not wait for it. Arrays must live until
/// the stream has passed the call. On the CPU all is done when a call returns. <b>Threads:</b> any.
/// </remarks>
public static unsafe class NativeKernels
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

    /// <summary>The same on arrays of a device; the logits are not changed.</summary>
    /// <param name="on">Where the arrays are, and the stream whose turn it is.</param>
    /// <param name="sampling">How tokens are drawn.</param>
    /// <param name="logits">[rows, V].</param>
    /// <param name="vocabSize">V.</param>
    /// <param name="sequenceIds">[rows] key of the random numbers.</param>
    /// <param name="positions">[rows] key of the random numbers.</param>
    /// <param name="ids">[rows] drawn tokens; <see cref="NativeConstants.SampleNotFinite"/> or <see cref="NativeConstants.SampleEmpty"/>, with log-prob 0, where none can be drawn.</param>
    /// <param name="logProbs">[rows] log-prob of each.</param>
    /// <param name="historyOffsets">[rows+1] into <paramref name="historyIds"/>; empty = no history.</param>
    /// <param name="historyIds">Tokens the repetition penalty applies to.</param>
    public static void Sample(
        NativeDevicePlace on, in NativeSamplingOptions sampling, NativeDeviceArray<float> logits, int vocabSize, NativeDeviceArray<ulong> sequenceIds,
        NativeDeviceArray<long> positions, NativeDeviceArray<int> ids, NativeDeviceArray<float> logProbs,
        NativeDeviceArray<long> historyOffsets = default, NativeDeviceArray<int> historyIds = default)
    {
        var rows = sequenceIds.Length;
        fixed (NativeSamplingOptions* how = &sampling)
        {
            Native.Check(NativeMethods.llasa_sample_on_device(
                on.Device, (void*)on.Stream, how, logits.Checked(checked(rows * vocabSize), nameof(logits)), rows, vocabSize,
                historyOffsets.Length == 0 ? null : historyOffsets.Checked(rows + 1, nameof(historyOffsets)), historyIds.Data, historyIds.Length,
                sequenceIds.Data, positions.Checked(rows, nameof(positions)), ids.Checked(rows, nameof(ids)), logProbs.Checked(rows, nameof(logProbs))));
        }
    }

    /// <summary>The distribution that is drawn from; exactly 0 for dropped tokens.</summary>
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

    /// <summary>Group-relative advantages.</summary>
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

    /// <summary>The same on arrays of a device.</summary>
    /// <param name="on">Where the arrays are, and the stream whose turn it is.</param>
    /// <param name="estimator">GRPO, Dr.GRPO or RLOO.</param>
    /// <param name="rewards">[I] rewards; NaN spreads through its own group only.</param>
    /// <param name="groupIds">[I] which samples belong together.</param>
    /// <param name="advantages">[I] result; may be the rewards' own memory.</param>
    /// <param name="mask">[I] 0 = takes no part and gets 0; empty = all take part.</param>
    /// <param name="epsilon">Added to the standard deviation.</param>
    public static void GroupAdvantage(
        NativeDevicePlace on, NativeAdvantageEstimator estimator, NativeDeviceArray<float> rewards, NativeDeviceArray<long> groupIds,
        NativeDeviceArray<float> advantages, NativeDeviceArray<byte> mask = default, float epsilon = 1e-6f)
    {
        var count = rewards.Length;
        Native.Check(NativeMethods.llasa_group_advantage_on_device(
            on.Device, (void*)on.Stream, estimator, epsilon, rewards.Data, groupIds.Checked(count, nameof(groupIds)),
            mask.Length == 0 ? null : mask.Checked(count, nameof(mask)), count, advantages.Checked(count, nameof(advantages))));
    }
}
