namespace LlasaNative.Torch;

/// <summary>The native X-Codec2 decoder on tensors: codes to waveform.</summary>
/// <remarks>
/// As for <see cref="FusedSampling"/>, but on a card, which must be the codec's, a call waits for the codes, to check them, and so for what torch's current
/// stream holds; not for the sound. <b>Threads:</b> the codec's. <b>Lifetime:</b> it owns nothing; the codec must outlive it.
/// </remarks>
/// <param name="codec">The decoder, such as <c>SpeechCodec.Native</c>.</param>
public sealed class Vocoder(NativeCodec codec)
{
    /// <summary>Turns codes into sound, clips of one length together; no clip influences another.</summary>
    /// <param name="codes">[T] or [B, T] int32, each below the codec's <see cref="NativeCodec.CodeCount"/>.</param>
    /// <returns>[T * S] or [B, T * S] float32 of S = <see cref="NativeCodec.SamplesPerCode"/> samples per code, not clamped. Dispose it.</returns>
    /// <exception cref="ArgumentException">A tensor is not as it must be.</exception>
    /// <exception cref="NativeException">A code is out of range, or the tensor is on another card than the codec.</exception>
    public Tensor Decode(Tensor codes) => Decode(TensorMemory.PlaceOf(codes, nameof(codes)), codes);

    internal Tensor Decode(NativeDevicePlace? place, Tensor codes)
    {
        var isBatch = codes.dim() == 2;
        TensorMemory.Check<int>(codes, nameof(codes), codes, isBatch ? [-1, -1] : [-1]);
        var (clips, length) = isBatch ? (codes.shape[0], codes.shape[1]) : (1, codes.shape[0]);
        long[] offsets = [.. Enumerable.Range(0, (int)clips + 1).Select(b => b * length)];
        var samples = length * codec.SamplesPerCode;
        long[] shape = isBatch ? [clips, samples] : [samples];
        return empty(shape, dtype: ScalarType.Float32, device: codes.device).DisposeOnFailure(waveforms =>
        {
            if (place is { } on)
            {
                codec.Vocode(on.Stream, offsets, TensorMemory.Array<int>(codes), TensorMemory.Array<float>(waveforms));
            }
            else
            {
                codec.Vocode(offsets, TensorMemory.Elements<int>(codes), TensorMemory.Elements<float>(waveforms));
            }
        });
    }
}
