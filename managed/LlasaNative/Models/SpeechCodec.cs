using LlasaNative.Interop;
using LlasaNative.Weights;

namespace LlasaNative.Models;

/// <summary>X-Codec2 from a Hugging Face directory, in Transformers' or the original layout: speech codes to sound.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it.</remarks>
public sealed class SpeechCodec : IDisposable
{
    private readonly string _path;

    private SpeechCodec(HuggingFaceDirectory directory)
    {
        _path = directory.Path;
        Config = Xcodec2Config.FromDirectory(directory);
        Native = NativeErrors.AboutFile(directory.ConfigPath, null, () => new NativeCodec(ToNative(Config)));
    }

    /// <summary>Sizes of the codec.</summary>
    public Xcodec2Config Config { get; }

    /// <summary>The native codec.</summary>
    public NativeCodec Native { get; }

    /// <summary>Samples per second.</summary>
    public int SampleRate => Config.SampleRate;

    /// <summary>Samples per code.</summary>
    public int SamplesPerCode => Native.SamplesPerCode;

    /// <summary>Number of parameters in use.</summary>
    public long ParameterCount => Native.GetTensors().Where(t => t.IsSet).Sum(t => t.Count);

    /// <summary>Loads a directory.</summary>
    /// <param name="path">Hugging Face directory of an X-Codec2 model.</param>
    /// <exception cref="ModelFileException">Something is missing, malformed or not supported; the message names file and field.</exception>
    public static SpeechCodec Load(string path)
    {
        using var directory = HuggingFaceDirectory.Open(path);
        SpeechCodec codec = new(directory);
        try
        {
            // The optional ones are the encoder's, which only codes-from-sound would need.
            WeightLoader.Load(directory, [.. codec.Native.GetTensors().Where(t => !t.IsOptional)], codec.Native.SetTensor);
            return codec;
        }
        catch
        {
            codec.Dispose();
            throw;
        }
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
        var offsets = new long[clips.Count + 1];
        for (var i = 0; i < clips.Count; i++)
        {
            offsets[i + 1] = offsets[i] + clips[i].Length;
        }

        WaveBatch waves = new([.. offsets.Select(o => o * SamplesPerCode)], SampleRate);
        if (offsets[^1] > 0)
        {
            Native.Vocode(offsets, clips.SelectMany(c => c).ToArray(), waves.Samples);
        }

        return waves;
    }

    /// <inheritdoc/>
    public void Dispose() => Native.Dispose();

    private static NativeCodecOptions ToNative(Xcodec2Config config)
    {
        var options = NativeCodecOptions.CreateDefault();
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

        // Only their product matters for decoding.
        options.NumRatios = 1;
        options.Ratios[0] = config.HopLength;
        options.SamplingRateHz = config.SampleRate;
        return options;
    }
}
