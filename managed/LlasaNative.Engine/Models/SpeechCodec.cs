namespace LlasaNative.Models;

/// <summary>X-Codec2 from a Hugging Face directory, in Transformers' or the original layout: speech codes to sound, and sound to codes.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it.</remarks>
public sealed class SpeechCodec : ISpeechCodec
{
    private readonly string _path;
    private readonly PinnedBufferPool _pool = new();

    private SpeechCodec(HuggingFaceDirectory directory, bool withEncoder, ComputeType type, int device)
    {
        _path = directory.Path;
        Config = Xcodec2Config.FromDirectory(directory);
        CanEncode = withEncoder;
        var encoder = withEncoder ? Xcodec2EncoderConfig.FromDirectory(directory) : null;
        Native = NativeErrors.AboutFile(directory.ConfigPath, null, () => new NativeCodec(ToNative(Config, encoder, type, device)));
    }

    /// <summary>Sizes of the codec.</summary>
    public Xcodec2Config Config { get; }

    /// <summary>The native codec.</summary>
    public NativeCodec Native { get; }

    /// <inheritdoc/>
    public bool CanEncode { get; }

    /// <inheritdoc/>
    public int SampleRate => Config.SampleRate;

    /// <inheritdoc/>
    public int CodeCount => Native.CodeCount;

    /// <inheritdoc/>
    public int SamplesPerCode => Native.SamplesPerCode;

    /// <summary>Number of parameters in use.</summary>
    public long ParameterCount => Native.GetTensors().Where(t => t.IsSet).Sum(t => t.Count);

    /// <summary>Loads a directory.</summary>
    /// <param name="path">Hugging Face directory of an X-Codec2 model.</param>
    /// <param name="withEncoder">Whether sound is to be turned into codes too: that takes a Wav2Vec2-BERT of several hundred million parameters.</param>
    /// <param name="type">Element type of the decoder's matrices and filters; the encoder computes in float32.</param>
    /// <param name="device">Index of the device it lives on; -1 = the process's.</param>
    /// <exception cref="ModelFileException">Something is missing, malformed or not supported; the message names file and field.</exception>
    public static SpeechCodec Load(string path, bool withEncoder = false, ComputeType type = ComputeType.F32, int device = -1)
    {
        using var directory = HuggingFaceDirectory.Open(path);
        return new SpeechCodec(directory, withEncoder, type, device).DisposeOnFailure(codec =>
        {
            // The optional ones are the encoder's.
            var tensors = codec.Native.GetTensors();
            WeightLoader.Load(directory, [.. tensors.Where(t => withEncoder || !t.IsOptional)], codec.Native.SetTensor);
            // Only in Transformers' layout does the config say how many layers there are.
            WeightLoader.WarnOfUnread(directory, tensors, null, "decoder.");
            if (withEncoder && codec.Native.GetTensors().FirstOrDefault(t => !t.IsSet) is { Name: { } missing })
            {
                throw new ModelFileException(path, missing, "missing: the encoder is not complete");
            }
        });
    }

    /// <summary>Refuses codes outside the codebook.</summary>
    /// <param name="codes">Any numbers.</param>
    /// <param name="source">Where they came from, for the message.</param>
    /// <exception cref="UsageException">A code is out of range.</exception>
    public void CheckCodes(ReadOnlySpan<int> codes, string source)
    {
        for (var i = 0; i < codes.Length; i++)
        {
            if ((uint)codes[i] >= (uint)Native.CodeCount)
            {
                throw new UsageException($"{source}: code {codes[i]} at position {i} is out of range 0..{Native.CodeCount - 1} of {_path}");
            }
        }
    }

    /// <summary>Turns codes into sound, clips of different lengths together; no clip influences another.</summary>
    /// <param name="clips">Codes of each clip; a clip may be empty.</param>
    public WaveBatch Decode(IReadOnlyList<int[]> clips)
    {
        ArgumentNullException.ThrowIfNull(clips);
        var offsets = Offsets(clips);
        var waves = MakeRoom(offsets);
        if (offsets[^1] > 0)
        {
            Native.Vocode(offsets, clips.SelectMany(c => c).ToArray(), waves.Samples);
        }

        return waves;
    }

    ISounds ISpeechCodec.Decode(IReadOnlyList<int[]> clips) => Decode(clips);

    /// <summary>Turns sound into codes.</summary>
    /// <param name="samples">At least one sample of mono sound at <see cref="SampleRate"/>.</param>
    /// <returns>About one code per <see cref="SamplesPerCode"/> samples.</returns>
    /// <exception cref="InvalidOperationException">It was loaded without its encoder.</exception>
    /// <exception cref="LlasaException">The encoder's numbers have overflowed.</exception>
    public int[] Encode(ReadOnlySpan<float> samples)
    {
        if (!CanEncode)
        {
            throw new InvalidOperationException($"{_path} was loaded without its encoder");
        }

        ArgumentOutOfRangeException.ThrowIfZero(samples.Length, nameof(samples));
        var codes = Native.Encode(samples);
        return codes.AsSpan().IndexOfAnyExceptInRange(0, CodeCount - 1) is var bad and >= 0
            ? throw new LlasaException($"{_path}: the encoder gives no code for a sound at position {bad}: its numbers, or those of its weights, are too large")
            : codes;
    }

    /// <summary>Where the codes of each clip begin, one clip after another; [clips + 1].</summary>
    internal static long[] Offsets(IReadOnlyList<int[]> clips) => WaveBatch.OffsetsOf(clips.Select(clip => clip.Length));

    /// <summary>Page-locked room for the sound of clips; dispose it.</summary>
    internal WaveBatch MakeRoom(long[] offsets) => new([.. offsets.Select(o => o * SamplesPerCode)], SampleRate, _pool);

    /// <inheritdoc/>
    public void Dispose()
    {
        Native.Dispose();
        _pool.Dispose();
    }

    internal static NativeCodecOptions ToNative(Xcodec2Config config, Xcodec2EncoderConfig? encoder, ComputeType type, int device = -1)
    {
        var options = NativeCodecOptions.CreateDefault();
        options.ComputeDtype = type.ToNative();
        options.Device = device;
        options.Layout = config.Layout == Xcodec2Layout.Original ? NativeCodecLayout.Original : NativeCodecLayout.Hf;
        options.HiddenSize = config.HiddenSize;
        options.IntermediateSize = config.IntermediateSize;
        options.NumLayers = config.Layers;
        options.NumHeads = config.Heads;
        options.HeadDim = config.HeadDimension;
        options.RmsNormEps = (float)config.RmsNormEpsilon;
        options.QuantizationDim = config.QuantizationDimension;
        options.SemanticHiddenSize = config.QuantizationDimension - config.HiddenSize;
        options.SemanticNumHeads = 1;
        options.NumLevels = config.QuantizationLevels.Length;
        for (var i = 0; i < config.QuantizationLevels.Length; i++)
        {
            options.Levels[i] = config.QuantizationLevels[i];
        }

        options.SamplingRateHz = config.SampleRate;
        if (encoder is null)
        {
            // Only their product matters for decoding.
            options.NumRatios = 1;
            options.Ratios[0] = config.HopLength;
        }
        else
        {
            SetEncoder(ref options, encoder);
        }

        return options;
    }

    private static void SetEncoder(ref NativeCodecOptions options, Xcodec2EncoderConfig encoder)
    {
        options.NumRatios = encoder.Ratios.Length;
        for (var i = 0; i < encoder.Ratios.Length; i++)
        {
            options.Ratios[i] = encoder.Ratios[i];
        }

        options.EncoderHiddenSize = encoder.HiddenSize;
        options.SemanticHiddenSize = encoder.SemanticHiddenSize;
        options.SemanticNumLayers = encoder.SemanticLayers;
        options.SemanticNumHeads = encoder.SemanticHeads;
        options.SemanticIntermediateSize = encoder.SemanticIntermediateSize;
        options.SemanticFeatureDim = encoder.FeatureDimension;
        options.SemanticConvKernel = encoder.ConvolutionKernel;
        options.SemanticLeftPositions = encoder.LeftPositions;
        options.SemanticRightPositions = encoder.RightPositions;
        options.SemanticLayerNormEps = (float)encoder.LayerNormEpsilon;
    }
}
