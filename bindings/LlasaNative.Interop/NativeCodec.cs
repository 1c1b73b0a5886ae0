using System.Runtime.InteropServices;

namespace LlasaNative.Interop;

/// <summary>X-Codec2: speech codes to waveform and back, 16 kHz mono.</summary>
/// <remarks>One thread at a time.</remarks>
public sealed unsafe class NativeCodec : IDisposable
{
    /// <summary>Creates a codec with all weights unset.</summary>
    /// <param name="options">From <see cref="NativeCodecOptions.CreateDefault"/>.</param>
    public NativeCodec(in NativeCodecOptions options)
    {
        Handle = Native.CodecCreate(options);
        Native.CodecGeometry(Handle, out var hop, out var codes);
        SamplesPerCode = hop;
        CodeCount = codes;
    }

    /// <summary>Waveform samples per code.</summary>
    public int SamplesPerCode { get; }

    /// <summary>Size of the codebook; codes are 0 to this minus 1.</summary>
    public int CodeCount { get; }

    internal CodecHandle Handle { get; }

    /// <summary>Every parameter in model order, with whether it is set.</summary>
    public IReadOnlyList<NativeTensor> GetTensors()
    {
        var tensors = new NativeTensor[Native.CodecTensorCount(Handle)];
        for (var i = 0; i < tensors.Length; i++)
        {
            var info = TensorInfoRaw.Create();
            Native.Check(NativeMethods.llasa_codec_tensor_info(Handle, i, &info));
            tensors[i] = NativeTensor.From(info);
        }

        return tensors;
    }

    /// <inheritdoc cref="NativePolicy.SetTensor(string, NativeDType, ReadOnlySpan{long}, ReadOnlySpan{byte})"/>
    public void SetTensor(string name, NativeDType dtype, ReadOnlySpan<long> shape, ReadOnlySpan<byte> data) =>
        Native.CodecSetTensor(Handle, name, dtype, shape, data);

    /// <inheritdoc cref="NativePolicy.SetTensor(string, NativeDType, ReadOnlySpan{long}, SafeBuffer, long)"/>
    public void SetTensor(string name, NativeDType dtype, ReadOnlySpan<long> shape, SafeBuffer buffer, long offset)
    {
        ArgumentNullException.ThrowIfNull(name);
        using var memory = new BorrowedMemory(buffer, offset, NativeTensor.SizeInBytes(shape, dtype));
        fixed (long* axes = shape)
        {
            Native.Check(NativeMethods.llasa_codec_set_tensor(Handle, name, dtype, axes, shape.Length, memory.Pointer));
        }
    }

    /// <summary>Codes to waveforms, clips of different lengths together; no clip influences another.</summary>
    /// <param name="codeOffsets">[B+1] start of each clip in <paramref name="codes"/>.</param>
    /// <param name="codes">[codeOffsets[B]] codes, each below <see cref="CodeCount"/>.</param>
    /// <param name="waveforms">[codeOffsets[B] * SamplesPerCode]; clip b begins at codeOffsets[b] * SamplesPerCode.</param>
    public void Vocode(ReadOnlySpan<long> codeOffsets, ReadOnlySpan<int> codes, Span<float> waveforms)
    {
        var clips = Checks.ItemCount(codeOffsets, nameof(codeOffsets));
        var total = Checks.Offsets(codeOffsets, nameof(codeOffsets));
        Checks.Length(codes.Length, total, nameof(codes));
        Checks.Length(waveforms.Length, checked(total * SamplesPerCode), nameof(waveforms));
        fixed (long* offsets = codeOffsets)
        fixed (int* ids = codes)
        fixed (float* samples = waveforms)
        {
            Native.Check(NativeMethods.llasa_vocode(Handle, clips, offsets, ids, samples));
        }
    }

    /// <summary>The same of codes on the codec's device to waveforms there.</summary>
    /// <remarks>
    /// The call waits for the codes, to check them, and so for what the stream holds; not for the sound, which is there for whatever the stream is given
    /// next. Arrays must live until the stream has passed the call.
    /// </remarks>
    /// <param name="stream">A cudaStream_t of that device; 0 = its legacy default stream, and the only one on the CPU.</param>
    /// <param name="codeOffsets">[B+1] start of each clip in <paramref name="codes"/>, on the host.</param>
    /// <param name="codes">[codeOffsets[B]] codes, each below <see cref="CodeCount"/>.</param>
    /// <param name="waveforms">[codeOffsets[B] * SamplesPerCode]; clip b begins at codeOffsets[b] * SamplesPerCode.</param>
    public void Vocode(nint stream, ReadOnlySpan<long> codeOffsets, NativeDeviceArray<int> codes, NativeDeviceArray<float> waveforms)
    {
        var clips = Checks.ItemCount(codeOffsets, nameof(codeOffsets));
        var total = Checks.Offsets(codeOffsets, nameof(codeOffsets));
        fixed (long* offsets = codeOffsets)
        {
            Native.Check(NativeMethods.llasa_vocode_on_device(
                Handle, (void*)stream, clips, offsets, codes.Checked(total, nameof(codes)), waveforms.Checked(checked(total * SamplesPerCode), nameof(waveforms))));
        }
    }

    /// <summary>Codes of one clip to its waveform.</summary>
    /// <param name="codes">[T] codes.</param>
    /// <returns>[T * SamplesPerCode] samples, not clamped.</returns>
    public float[] Vocode(ReadOnlySpan<int> codes)
    {
        var waveform = new float[checked(codes.Length * SamplesPerCode)];
        Vocode([0, codes.Length], codes, waveform);
        return waveform;
    }

    /// <summary>Waveform to codes; needs the encoder's weights.</summary>
    /// <param name="waveform">At least one sample of 16 kHz mono.</param>
    /// <returns>About one code per <see cref="SamplesPerCode"/> samples.</returns>
    public int[] Encode(ReadOnlySpan<float> waveform)
    {
        var codes = new int[(waveform.Length / SamplesPerCode) + 1];
        var count = Native.CodecEncode(Handle, waveform, codes);
        return codes[..(int)count];
    }

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();
}
