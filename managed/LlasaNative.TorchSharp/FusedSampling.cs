namespace LlasaNative.Torch;

/// <summary>The native sampling kernel on tensors: penalty, temperature, top-k, top-p, min-p and draw in one call.</summary>
/// <remarks>
/// Tensors are read and written where they lie: contiguous, of the type that is said, all on the CPU or all on one CUDA device; others are refused, and the
/// message says what to pass. Results are where the inputs are. No gradient flows. On a card, which takes TorchSharp with CUDA and libllasa_cuda, the work
/// goes in turn on torch's current stream, as an operation of torch does, and the call does not wait for it. <b>Threads:</b> any.
/// </remarks>
public static class FusedSampling
{
    /// <summary>Draws one token per row of logits.</summary>
    /// <param name="logits">[rows, V] float32; not changed.</param>
    /// <param name="sampling">How tokens are drawn; from <see cref="NativeSamplingOptions.CreateDefault"/>.</param>
    /// <param name="sequenceIds">[rows] int64 of at least 0: key of the random numbers, beside the seed of <paramref name="sampling"/>.</param>
    /// <param name="positions">[rows] int64: key of the random numbers.</param>
    /// <param name="historyOffsets">[rows + 1] int64 into <paramref name="historyIds"/>; null = no history.</param>
    /// <param name="historyIds">[historyOffsets[rows]] int32: tokens that the repetition penalty applies to.</param>
    /// <returns>
    /// [rows] int32 drawn tokens, and [rows] float32 log-prob of each. Dispose them. On a card a row that cannot be drawn from has log-prob 0 and, as its
    /// token, <see cref="NativeConstants.SampleNotFinite"/> (its history may be at fault, too) or <see cref="NativeConstants.SampleEmpty"/>: only who waits can throw.
    /// </returns>
    /// <exception cref="ArgumentException">A tensor is not as it must be.</exception>
    /// <exception cref="NativeException">The numbers cannot be drawn from.</exception>
    public static (Tensor Ids, Tensor LogProbs) Sample(
        Tensor logits, in NativeSamplingOptions sampling, Tensor sequenceIds, Tensor positions, Tensor? historyOffsets = null, Tensor? historyIds = null) =>
        Sample(TensorMemory.PlaceOf(logits, nameof(logits)), logits, sampling, sequenceIds, positions, historyOffsets, historyIds);

    internal static (Tensor Ids, Tensor LogProbs) Sample(
        NativeDevicePlace? place, Tensor logits, in NativeSamplingOptions sampling, Tensor sequenceIds, Tensor positions, Tensor? historyOffsets, Tensor? historyIds)
    {
        TensorMemory.Check<float>(logits, nameof(logits), logits, -1, -1);
        var (rows, vocabulary) = (logits.shape[0], checked((int)logits.shape[1]));
        TensorMemory.Check<ulong>(sequenceIds, nameof(sequenceIds), logits, rows);
        TensorMemory.Check<long>(positions, nameof(positions), logits, rows);
        if (historyOffsets is null != historyIds is null)
        {
            throw new ArgumentException("`historyOffsets` and `historyIds` go together.", historyOffsets is null ? nameof(historyOffsets) : nameof(historyIds));
        }

        if (historyOffsets is not null && historyIds is not null)
        {
            TensorMemory.Check<long>(historyOffsets, nameof(historyOffsets), logits, rows + 1);
            TensorMemory.Check<int>(historyIds, nameof(historyIds), logits, -1);
        }

        var ids = empty(rows, dtype: ScalarType.Int32, device: logits.device);
        var logProbs = empty(rows, dtype: ScalarType.Float32, device: logits.device);
        try
        {
            if (place is { } on)
            {
                NativeKernels.Sample(
                    on, sampling, TensorMemory.Array<float>(logits), vocabulary, TensorMemory.Array<ulong>(sequenceIds), TensorMemory.Array<long>(positions),
                    TensorMemory.Array<int>(ids), TensorMemory.Array<float>(logProbs), TensorMemory.Array<long>(historyOffsets), TensorMemory.Array<int>(historyIds));
            }
            else
            {
                NativeKernels.Sample(
                    sampling, TensorMemory.Elements<float>(logits), vocabulary, TensorMemory.Elements<ulong>(sequenceIds), TensorMemory.Elements<long>(positions),
                    TensorMemory.Elements<int>(ids), TensorMemory.Elements<float>(logProbs), TensorMemory.Elements<long>(historyOffsets), TensorMemory.Elements<int>(historyIds));
            }

            return (ids, logProbs);
        }
        catch
        {
            ids.Dispose();
            logProbs.Dispose();
            throw;
        }
    }
}
