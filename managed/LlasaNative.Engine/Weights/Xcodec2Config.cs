namespace LlasaNative.Weights;

/// <summary>Sizes of an X-Codec2 decoder (speech codes to waveform).</summary>
/// <param name="Layout">Naming and split of the parameters.</param>
/// <param name="HiddenSize">Width of the decoder's backbone, C.</param>
/// <param name="IntermediateSize">Width of the feed-forward layer.</param>
/// <param name="Layers">Number of transformer layers.</param>
/// <param name="Heads">Number of attention heads.</param>
/// <param name="HeadDimension">Width of one head.</param>
/// <param name="RmsNormEpsilon">Added to the mean square inside RMSNorm.</param>
/// <param name="RopeTheta">Base of the rotary frequencies (they run over the head index and cancel out of the scores).</param>
/// <param name="QuantizationDimension">Width of the vector that a code is projected to.</param>
/// <param name="QuantizationLevels">Levels of each digit of a code, least significant first.</param>
/// <param name="HopLength">Samples per code.</param>
/// <param name="SampleRate">Samples per second.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record Xcodec2Config(
    Xcodec2Layout Layout, int HiddenSize, int IntermediateSize, int Layers, int Heads, int HeadDimension, double RmsNormEpsilon,
    double RopeTheta, int QuantizationDimension, ImmutableArray<int> QuantizationLevels, int HopLength, int SampleRate)
{
    private const int MaxExtent = 1 << 20;

    /// <summary>Number of different codes: the product of the levels.</summary>
    public int CodeCount => QuantizationLevels.Aggregate(1, (product, level) => checked(product * level));

    /// <summary>Length of the inverse Fourier transform: four hops.</summary>
    public int FftLength => 4 * HopLength;

    /// <summary>Reads the config of an opened checkpoint; sizes that the original layout leaves out are taken from the tensors.</summary>
    /// <param name="directory">An opened directory.</param>
    /// <param name="originalHeads">Attention heads of an original-layout model whose config names none; null for heads of 64.</param>
    /// <exception cref="ModelFileException">The config is malformed or the model is of a kind not supported, or its <c>preprocessor_config.json</c> says otherwise; the message names the field.</exception>
    public static Xcodec2Config FromDirectory(HuggingFaceDirectory directory, int? originalHeads = null)
    {
        ArgumentNullException.ThrowIfNull(directory);
        JsonFields json = JsonFields.FromFile(directory.ConfigPath);
        Xcodec2Config config = directory.Contains("generator.backbone.embed.weight") ? ReadOriginal(json, directory, originalHeads) : ReadHuggingFace(json);
        FeatureExtractorChecks.Require(directory.Path, config);
        return config;
    }

    /// <summary>Reads a <c>config.json</c> in Transformers' layout.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ModelFileException">The config is malformed or the model is of a kind not supported.</exception>
    public static Xcodec2Config FromFile(string path) => ReadHuggingFace(JsonFields.FromFile(path));

    private static Xcodec2Config ReadHuggingFace(JsonFields json)
    {
        ConfigChecks.RequireModelType(json, "xcodec2", "Xcodec2Model");
        ConfigChecks.RequireName(json, "hidden_act", "silu", "swish");
        ConfigChecks.RequireFalse(json, "attention_bias");
        int hidden = json.IntOr("hidden_size", 1024, 1, MaxExtent);
        int heads = json.IntOr("num_attention_heads", 16, 1, 65536);
        int keyValueHeads = json.IntOr("num_key_value_heads", heads, 1, 65536);
        json.ThrowIf(keyValueHeads != heads, "num_key_value_heads", $"{keyValueHeads} is not supported, expected num_attention_heads {heads}");
        RequireHeadDimension(json, hidden, heads);
        int[] ratios = json.Has("downsampling_ratios") ? json.Ints("downsampling_ratios", 1, 4096) : [2, 2, 4, 4, 5];
        long hop = Product(ratios);
        json.ThrowIf(hop is < 1 or > 65536, "downsampling_ratios", $"the product {hop} is not between 1 and 65536");
        return new Xcodec2Config(
            Layout: Xcodec2Layout.HuggingFace,
            HiddenSize: hidden,
            IntermediateSize: json.IntOr("intermediate_size", 4 * hidden, 1, MaxExtent),
            Layers: json.IntOr("num_hidden_layers", 12, 0, 10_000),
            Heads: heads,
            HeadDimension: json.IntOr("head_dim", hidden / heads, 1, 65536),
            RmsNormEpsilon: json.PositiveOr("rms_norm_eps", 1e-6),
            RopeTheta: ConfigChecks.ReadRope(json).Theta,
            QuantizationDimension: json.IntOr("quantization_dim", 2048, 1, MaxExtent),
            QuantizationLevels: ReadLevels(json, 8),
            HopLength: (int)hop,
            SampleRate: json.IntOr("sampling_rate", 16000, 1, 1_000_000));
    }

    private static Xcodec2Config ReadOriginal(JsonFields json, HuggingFaceDirectory tensors, int? givenHeads)
    {
        string type = json.StringOr("model_type", "xcodec2");
        json.ThrowIf(type != "xcodec2", "model_type", $"`{type}` is not supported, expected `xcodec2`");
        const string Block = "generator.backbone.transformers.";
        int layers = 0;
        while (tensors.Contains(string.Create(CultureInfo.InvariantCulture, $"{Block}{layers}.att.c_attn.weight")))
        {
            layers++;
        }

        int hidden = Extent(tensors, "fc_post_a.weight", 0);
        int digits = Extent(tensors, "generator.quantizer.project_in.weight", 0);
        int spectrum = Extent(tensors, "generator.head.out.weight", 0) - 2;
        ModelFileException.ThrowIf(
            spectrum <= 0 || spectrum % 4 != 0, tensors.Path, "generator.head.out.weight", $"{spectrum + 2} rows, expected 4 hops + 2");
        // The published network has heads of 64; its config says nothing, a smaller one must name its heads.
        json.ThrowIf(givenHeads is null && !json.Has("num_attention_heads") && hidden % 64 != 0, "num_attention_heads",
            $"missing, and the hidden size {hidden} is not a multiple of 64");
        int heads = json.IntOr("num_attention_heads", givenHeads ?? Math.Max(1, hidden / 64), 1, 65536);
        RequireHeadDimension(json, hidden, heads);
        return new Xcodec2Config(
            Layout: Xcodec2Layout.Original,
            HiddenSize: hidden,
            IntermediateSize: layers == 0 ? 4 * hidden : Extent(tensors, Block + "0.mlp.fc1.weight", 0),
            Layers: layers,
            Heads: heads,
            HeadDimension: json.IntOr("head_dim", hidden / heads, 1, 65536),
            RmsNormEpsilon: json.PositiveOr("rms_norm_eps", 1e-6),
            RopeTheta: ConfigChecks.ReadRope(json).Theta,
            QuantizationDimension: Extent(tensors, "generator.quantizer.project_in.weight", 1),
            QuantizationLevels: ReadLevels(json, digits),
            HopLength: spectrum / 4,
            SampleRate: json.IntOr("sampling_rate", 16000, 1, 1_000_000));
    }

    private static void RequireHeadDimension(JsonFields json, int hidden, int heads) =>
        json.ThrowIf(!json.Has("head_dim") && hidden % heads != 0, "num_attention_heads", $"{heads} does not divide the hidden size {hidden}");

    private static long Product(int[] factors) => factors.Aggregate(1L, (product, factor) => Math.Min(product * factor, int.MaxValue));

    private static int Extent(HuggingFaceDirectory tensors, string name, int axis)
    {
        TensorInfo info = tensors.GetInfo(name);
        return info.Shape.Length > axis && info.Shape[axis] is > 0 and <= MaxExtent
            ? (int)info.Shape[axis]
            : throw new ModelFileException(tensors.Path, name, $"shape {info.ShapeText} is not that of an X-Codec2 decoder");
    }

    private static ImmutableArray<int> ReadLevels(JsonFields json, int digits)
    {
        int[] levels = json.Has("quantization_levels")
            ? json.Ints("quantization_levels", 2, 65536)
            : [.. Enumerable.Repeat(4, digits)];
        long codes = Product(levels);
        return levels.Length > 0 && codes <= 1 << 24
            ? [.. levels]
            : throw json.Error("quantization_levels", $"{levels.Length} digits with {codes} codes are not supported");
    }
}
