using LlasaNative.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace LlasaNative.Torch;

/// <summary>The native sampling kernel on tensors: penalty, temperature, top-k, top-p, min-p and draw in one call.</summary>
/// <remarks>
/// Tensors are read and written where they lie: on the CPU, contiguous, of the type that is said; others are refused, and the message
/// says what to pass. No gradient flows. The library's calls take host memory and no stream: tensors of a card come by <c>cpu()</c>,
/// which waits for torch's current stream. <b>Threads:</b> any.
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
    /// <returns>[rows] int32 drawn tokens, and [rows] float32 log-prob of each. Dispose them.</returns>
    /// <exception cref="ArgumentException">A tensor is not as it must be.</exception>
    /// <exception cref="NativeException">The numbers cannot be drawn from.</exception>
    public static (Tensor Ids, Tensor LogProbs) Sample(
        Tensor logits, in NativeSamplingOptions sampling, Tensor sequenceIds, Tensor positions, Tensor? historyOffsets = null, Tensor? historyIds = null)
    {
        var values = HostTensor.Elements<float>(logits, nameof(logits), -1, -1);
        var (rows, vocabulary) = (logits.shape[0], checked((int)logits.shape[1]));
        var sequences = System.Runtime.InteropServices.MemoryMarshal.Cast<long, ulong>(HostTensor.Elements<long>(sequenceIds, nameof(sequenceIds), rows));
        var places = HostTensor.Elements<long>(positions, nameof(positions), rows);
        if (historyOffsets is null != historyIds is null)
        {
            throw new ArgumentException("`historyOffsets` and `historyIds` go together.", historyOffsets is null ? nameof(historyOffsets) : nameof(historyIds));
        }

        var offsets = historyOffsets is null ? [] : HostTensor.Elements<long>(historyOffsets, nameof(historyOffsets), rows + 1);
        var history = historyIds is null ? [] : HostTensor.Elements<int>(historyIds, nameof(historyIds), -1);
        var ids = empty(rows, dtype: ScalarType.Int32);
        var logProbs = empty(rows, dtype: ScalarType.Float32);
        try
        {
            NativeKernels.Sample(
                sampling, values, vocabulary, sequences, places, HostTensor.Elements<int>(ids, nameof(ids), rows), HostTensor.Elements<float>(logProbs, nameof(logProbs), rows),
                offsets, history);
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
