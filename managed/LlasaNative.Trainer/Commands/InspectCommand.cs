namespace LlasaNative.Trainer.Commands;

/// <summary><c>llasa inspect</c>: what a directory holds.</summary>
internal static class InspectCommand
{
    public static Command Create()
    {
        Argument<string> path = new("directory") { Description = "Model or checkpoint directory, or hf://OWNER/NAME." };
        Option<bool> tensors = new("--tensors") { Description = "List every tensor." };
        Option<bool> finite = new("--check") { Description = "Read every weight and refuse those that are not finite." };
        Command command = new("inspect", "Tell what a model or checkpoint directory holds.");
        Option<bool> memory = new("--memory") { Description = "Plan the device memory of training it: with --config and --set, beside --codec and --recogniser." };
        Option<bool> forGpu = new("--for-gpu") { Description = "With --memory: as a GPU takes it, on a machine that has none." };
        Option<bool> cost = new("--cost") { Description = "Account for a step of training it on a GPU: products, traffic, launches and waits by phase, and the time they would take." };
        Option<string> device = new("--device") { Description = "With --cost: h200, h100, a100, a6000, or a YAML file (docs/performance-gpu.md).", DefaultValueFactory = _ => "h200" };
        Option<double?> response = new("--response-tokens") { Description = "With --cost: tokens of a response on average; half of what it may have." };
        Option<bool> shapes = new("--shapes") { Description = "With --cost: list the products by shape, too." };
        Option<string> config = new("--config") { Description = "With --memory and --cost: YAML file of the run; see configs/reference.yaml." };
        Option<string[]> set = new("--set") { Description = "With --memory and --cost: key=value, over the file; may be repeated." };
        Option<string> codec = new("--codec") { Description = "With --memory and --cost: directory of the codec, counted too." };
        Option<string> recogniser = new("--recogniser") { Description = "With --memory and --cost: directory of the recogniser, counted too." };
        Option<string> second = new("--second-ear") { Description = "With --memory: directory of the recogniser that evaluations hear as well, counted too." };
        Option<int> ranks = new("--ranks") { Description = "With --memory and --cost: processes that train together; each holds its share of the moments, and with trainer.shard_weights of weights and gradients.", DefaultValueFactory = _ => 1 };
        command.Takes([path, tensors, finite, memory, forGpu, cost, device, response, shapes, config, set, codec, recogniser, second, ranks]);
        return command.Does(parsed =>
        {
            GrpoOptions Planned() => MemoryTable.Options(
                parsed.GetValue(path)!, parsed.GetValue(codec), parsed.GetValue(recogniser), parsed.GetValue(second), parsed.GetValue(config), parsed.GetValue(set) ?? []);
            return parsed.GetValue(memory) ? MemoryTable.Run(Planned(), parsed.GetValue(ranks), parsed.GetValue(forGpu))
                : parsed.GetValue(cost) ? CostTable.Run(Planned(), parsed.GetValue(device)!, parsed.GetValue(response), parsed.GetValue(shapes), parsed.GetValue(ranks))
                : Run(Places.Model(parsed.GetValue(path)!), parsed.GetValue(tensors), parsed.GetValue(finite));
        });
    }

    private static int Run(string path, bool listTensors, bool check)
    {
        if (AdapterInfo.IsIn(path))
        {
            return DescribeAdapter(path, listTensors, check);
        }

        using var directory = HuggingFaceDirectory.Open(path);
        var type = ModelType(directory);
        Line("directory", path);
        Line("type", type);
        switch (type)
        {
            case "llama":
                DescribePolicy(directory);
                break;
            case "whisper":
                DescribeRecogniser(directory);
                break;
            case "xcodec2":
                DescribeCodec(directory);
                break;
        }

        DescribeWeights(directory.Tensors);
        DescribeCheckpoint(path);
        if (check)
        {
            directory.RequireFinite();
            Line("finite", "yes");
        }

        foreach (var tensor in listTensors ? directory.Tensors : [])
        {
            Console.WriteLine(tensor);
        }

        return 0;
    }

    private static int DescribeAdapter(string path, bool listTensors, bool check)
    {
        var info = AdapterInfo.FromDirectory(path);
        using var file = SafeTensorsFile.Open(Path.Combine(path, AdapterInfo.WeightsFile));
        Line("directory", path);
        Line("type", "LoRA adapter");
        Line("base", info.Base.Length > 0 ? info.Base : "not said");
        Line("adapter", string.Create(CultureInfo.InvariantCulture, $"rank {info.Rank}, alpha {info.Alpha:R}, dropout {info.Dropout:R}, beside {string.Join(", ", info.Targets)}"));
        DescribeWeights(file.Tensors);
        DescribeCheckpoint(path);
        if (check)
        {
            Line("finite", file.Tensors.FirstOrDefault(t => !file.AllFinite(t.Name)) is { } bad
                ? throw new ModelFileException(file.Path, bad.Name, "has values that are not finite")
                : "yes");
        }

        foreach (var tensor in listTensors ? file.Tensors : [])
        {
            Console.WriteLine(tensor);
        }

        return 0;
    }

    private static void DescribeWeights(IReadOnlyList<TensorInfo> tensors)
    {
        Line("parameters", tensors.Sum(t => t.ElementCount).ToString("N0", CultureInfo.InvariantCulture));
        Line("weights", string.Join(", ", tensors.GroupBy(t => t.TypeName)
            .Select(g => string.Create(CultureInfo.InvariantCulture, $"{g.Key} {g.Sum(t => t.ByteLength) / 1e6:F2} MB in {g.Count()} tensors"))));
    }

    private static void DescribeCheckpoint(string path)
    {
        if (Directory.Exists(Path.Combine(path, "trainer")))
        {
            var state = RunCheckpoints.Read(path);
            Line("checkpoint", string.Create(CultureInfo.InvariantCulture, $"after step {state.Step}, {state.OptimiserStep} optimiser steps"));
        }
    }

    private static string ModelType(HuggingFaceDirectory directory)
    {
        try
        {
            using var json = PythonJson.Parse(File.ReadAllBytes(directory.ConfigPath));
            return json.RootElement.TryGetProperty("model_type", out var type) && type.ValueKind == JsonValueKind.String ? type.GetString()! : "unknown";
        }
        catch (JsonException e)
        {
            throw new ModelFileException(directory.ConfigPath, null, "is not valid JSON", e);
        }
    }

    private static void DescribePolicy(HuggingFaceDirectory directory)
    {
        var config = LlamaConfig.FromDirectory(directory);
        Line("sizes", string.Create(CultureInfo.InvariantCulture,
            $"{config.Layers} layers, hidden {config.HiddenSize}, ffn {config.IntermediateSize}, {config.QueryHeads} heads of {config.HeadDimension} ({config.KeyValueHeads} kv)"));
        Line("positions", config.MaxPositions.ToString(CultureInfo.InvariantCulture));
        Line("vocabulary", string.Create(CultureInfo.InvariantCulture, $"{config.VocabularySize}, head {(config.TieWordEmbeddings ? "tied" : "untied")}"));
        if (!ByteLevelBpe.IsIn(directory.Path))
        {
            Line("tokenizer", "none");
            return;
        }

        var prompt = LlasaPrompt.Create(ByteLevelBpe.FromDirectory(directory.Path));
        var speech = prompt.Speech;
        Line("speech", string.Create(CultureInfo.InvariantCulture, $"{speech.Count} codes from id {speech.Offset}; start {speech.Start}, end {speech.End}"));
        Line("prompt", string.Create(CultureInfo.InvariantCulture, $"{OptionNames.Of(prompt.Style)}, {prompt.OverheadTokens} tokens beside the text"));
    }

    private static void DescribeRecogniser(HuggingFaceDirectory directory)
    {
        var config = WhisperConfig.FromDirectory(directory);
        Line("sizes", string.Create(CultureInfo.InvariantCulture,
            $"{config.EncoderLayers}+{config.DecoderLayers} layers, width {config.HiddenSize}, {config.MelBins} mels, window {config.WindowSamples / 16000.0:F1} s"));
        Line("vocabulary", config.VocabularySize.ToString(CultureInfo.InvariantCulture));
    }

    private static void DescribeCodec(HuggingFaceDirectory directory)
    {
        var config = Xcodec2Config.FromDirectory(directory);
        Line("layout", OptionNames.Of(config.Layout));
        Line("sizes", string.Create(CultureInfo.InvariantCulture, $"{config.Layers} layers, hidden {config.HiddenSize}, {config.Heads} heads"));
        Line("codes", string.Create(CultureInfo.InvariantCulture,
            $"{config.CodeCount}, {config.HopLength} samples each, {(double)config.SampleRate / config.HopLength:F0} per second at {config.SampleRate} Hz"));
    }

    private static void Line(string name, string value) => Console.WriteLine($"{name,-11} {value}");
}
