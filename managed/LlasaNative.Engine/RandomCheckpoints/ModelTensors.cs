namespace LlasaNative.RandomCheckpoints;

/// <summary>Names and shapes of a model's parameters, from its config alone.</summary>
/// <remarks>
/// The native models know them. They are asked with one layer of each stack, whose parameters then stand for those of the others:
/// a model of eight billion parameters need not fit into memory for that.
/// </remarks>
internal static class ModelTensors
{
    /// <summary>Parameters as Transformers stores them.</summary>
    /// <param name="kind">Which model.</param>
    /// <param name="config">Path of its <c>config.json</c>.</param>
    /// <param name="type">Their element type.</param>
    /// <exception cref="ModelFileException">The config is malformed, or a model of another kind.</exception>
    public static IReadOnlyList<TensorInfo> Of(ModelKind kind, string config, TensorType type) => kind switch
    {
        ModelKind.Policy => OfPolicy(config, type),
        ModelKind.Codec => OfCodec(config, type),
        ModelKind.Recogniser => OfRecogniser(config, type),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Not a model."),
    };

    private static List<TensorInfo> OfPolicy(string path, TensorType type)
    {
        var config = LlamaConfig.FromFile(path);
        using var model = NativeErrors.AboutFile(path, null, () => new NativePolicy(PolicyModel.ToNative(config with { Layers = 1 }, ComputeType.Bf16, frozen: true)));
        return Repeat(model.GetTensors(), type, ("model.layers.", config.Layers));
    }

    private static List<TensorInfo> OfRecogniser(string path, TensorType type)
    {
        var config = WhisperConfig.FromFile(path);
        var oneLayer = config with { EncoderLayers = 1, DecoderLayers = 1 };
        using var model = NativeErrors.AboutFile(path, null, () => new NativeWhisper(NativeRecogniser.ToNative(oneLayer, config.EosTokenIds.FirstOrDefault(), ComputeType.Bf16)));
        return Repeat(model.GetTensors(), type, ("model.encoder.layers.", config.EncoderLayers), ("model.decoder.layers.", config.DecoderLayers));
    }

    private static List<TensorInfo> OfCodec(string path, TensorType type)
    {
        var config = Xcodec2Config.FromFile(path);
        var encoder = Xcodec2EncoderConfig.FromFile(path);
        var (oneLayer, oneEncoderLayer) = (config with { Layers = Math.Min(1, config.Layers) }, encoder with { SemanticLayers = 1 });
        using var model = NativeErrors.AboutFile(path, null, () => new NativeCodec(SpeechCodec.ToNative(oneLayer, oneEncoderLayer, ComputeType.Bf16)));
        var tensors = Repeat(
            model.GetTensors(), type, ("decoder.layers.", config.Layers), ("semantic_encoder.encoder.layers.", encoder.SemanticLayers));
        // What masks a frame while Wav2Vec2-BERT is trained: nothing computes with it here, and Transformers stores it.
        return [.. tensors, new TensorInfo("semantic_encoder.masked_spec_embed", type, encoder.SemanticHiddenSize)];
    }

    private static List<TensorInfo> Repeat(IReadOnlyList<NativeTensor> tensors, TensorType type, params ReadOnlySpan<(string Prefix, int Count)> stacks)
    {
        List<TensorInfo> all = [];
        foreach (var tensor in tensors)
        {
            var (name, count, rest) = (tensor.Name, 1, string.Empty);
            foreach (var stack in stacks)
            {
                var first = stack.Prefix + "0.";
                if (tensor.Name.StartsWith(first, StringComparison.Ordinal))
                {
                    (name, count, rest) = (stack.Prefix, stack.Count, tensor.Name[(first.Length - 1)..]);
                }
            }

            for (var i = 0; i < count; i++)
            {
                all.Add(new TensorInfo(rest.Length == 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}{i}{rest}"), type, [.. tensor.Shape]));
            }
        }

        return all;
    }
}
