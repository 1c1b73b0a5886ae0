using LlasaNative.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace LlasaNative.Torch;

/// <summary>The native X-Codec2 decoder on tensors: codes to waveform.</summary>
/// <remarks>As for <see cref="FusedSampling"/>, but <b>Threads:</b> the codec's. <b>Lifetime:</b> it owns nothing; the codec must outlive it.</remarks>
/// <param name="codec">The decoder, such as <c>SpeechCodec.Native</c>.</param>
public sealed class Vocoder(NativeCodec codec)
{
    /// <summary>Turns codes into sound, clips of one length together; no clip influences another.</summary>
    /// <param name="codes">[T] or [B, T] int32, each below the codec's <see cref="NativeCodec.CodeCount"/>.</param>
    /// <returns>[T * S] or [B, T * S] float32 of S = <see cref="NativeCodec.SamplesPerCode"/> samples per code, not clamped. Dispose it.</returns>
    /// <exception cref="ArgumentException">A tensor is not as it must be.</exception>
    /// <exception cref="NativeException">A code is out of range.</exception>
    public Tensor Decode(Tensor codes)
    {
        ArgumentNullException.ThrowIfNull(codes);
        var isBatch = codes.dim() == 2;
        var values = isBatch ? HostTensor.Elements<int>(codes, nameof(codes), -1, -1) : HostTensor.Elements<int>(codes, nameof(codes), -1);
        var (clips, length) = isBatch ? (codes.shape[0], codes.shape[1]) : (1, codes.shape[0]);
        var offsets = new long[clips + 1];
        for (var b = 0; b < clips; b++)
        {
            offsets[b + 1] = offsets[b] + length;
        }

        var samples = length * codec.SamplesPerCode;
        var waveforms = isBatch ? empty(clips, samples, dtype: ScalarType.Float32) : empty(samples, dtype: ScalarType.Float32);
        try
        {
            codec.Vocode(offsets, values, isBatch
                ? HostTensor.Elements<float>(waveforms, nameof(waveforms), clips, samples)
                : HostTensor.Elements<float>(waveforms, nameof(waveforms), samples));
            return waveforms;
        }
        catch
        {
            waveforms.Dispose();
            throw;
        }
    }
}
