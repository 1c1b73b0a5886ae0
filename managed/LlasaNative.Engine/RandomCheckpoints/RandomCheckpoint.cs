using System.IO.Hashing;
using System.Text.Json.Nodes;

namespace LlasaNative.RandomCheckpoints;

/// <summary>Writes Hugging Face directories with random weights of true shapes, to try and to measure what public models take.</summary>
/// <remarks><b>Threads:</b> stateless, any thread; values do not depend on how many there are.</remarks>
/// <example>
/// <code>
/// RandomCheckpoint.Write("models/random-1b", new RandomCheckpointOptions { Kind = ModelKind.Policy, Like = "llasa-1b" });
/// using PolicyModel policy = PolicyModel.Load("models/random-1b");
/// </code>
/// </example>
public static class RandomCheckpoint
{
    private const int ChunkElements = 1 << 22;
    private const int BlockElements = 1 << 15;

    /// <summary>Writes a directory: config, tokenizer, weights.</summary>
    /// <param name="directory">A directory that is empty or not there yet; on failure nothing of it is left.</param>
    /// <param name="options">What it is like.</param>
    /// <returns>The parameters of the model.</returns>
    /// <exception cref="UsageException">The directory holds files, or there is no model of that name.</exception>
    /// <exception cref="ModelFileException">A file cannot be written, or the config is malformed.</exception>
    public static IReadOnlyList<TensorInfo> Write(string directory, RandomCheckpointOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(options);
        UsageException.ThrowIf(File.Exists(directory) || (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any()),
            $"{directory} is there and not an empty directory");
        var config = ReadConfig(options);
        try
        {
            Directory.CreateDirectory(directory);
            config["dtype"] = options.Type.ConfigName();
            var path = Path.Combine(directory, "config.json");
            File.WriteAllText(path, config.ToJsonString(JsonWriting.Indented) + "\n");
            var tensors = ModelTensors.Of(options.Kind, path, options.Type);
            WriteSideFiles(directory, options.Kind, path, config);
            if (options.HasWeights)
            {
                WriteWeights(directory, tensors, options);
            }

            return tensors;
        }
        catch (Exception e)
        {
            Remove(directory);
            if (FileErrors.IsWriteFailure(e))
            {
                throw FileErrors.Unwritable(directory, e);
            }

            throw;
        }
    }

    private static JsonObject ReadConfig(RandomCheckpointOptions options)
    {
        if (!File.Exists(options.Like))
        {
            return PublicShapes.Config(options.Kind, options.Like);
        }

        var config = JsonFields.Document(FileErrors.ReadAllBytes(options.Like), options.Like, root => root.ValueKind == JsonValueKind.Object
            ? JsonObject.Create(root.Clone())! : throw new ModelFileException(options.Like, null, "expected a JSON object"));
        // Of the two names of the element type the one that is written here.
        config.Remove("torch_dtype");
        return config;
    }

    private static void Remove(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The error that led here says more.
        }
    }

    private static void WriteSideFiles(string directory, ModelKind kind, string configPath, JsonObject config)
    {
        var tokenizer = Path.Combine(directory, "tokenizer.json");
        switch (kind)
        {
            case ModelKind.Policy:
                RandomTokenizer.WritePolicy(tokenizer, LlamaConfig.FromFile(configPath).VocabularySize);
                var ids = ByteLevelBpe.FromFile(tokenizer);
                config["bos_token_id"] = SpeechTokens.Require(ids, "<|begin_of_text|>");
                config["eos_token_id"] = SpeechTokens.Find(ids).End;
                config["pad_token_id"] = SpeechTokens.Require(ids, "<|end_of_text|>");
                File.WriteAllText(configPath, config.ToJsonString(JsonWriting.Indented) + "\n");
                WriteJson("tokenizer_config.json", new JsonObject
                {
                    ["tokenizer_class"] = "PreTrainedTokenizerFast",
                    ["bos_token"] = "<|begin_of_text|>",
                    ["eos_token"] = SpeechTokens.EndToken,
                    ["pad_token"] = "<|end_of_text|>",
                });
                break;
            case ModelKind.Codec:
                WriteJson("preprocessor_config.json", new JsonObject
                {
                    ["feature_extractor_type"] = "Xcodec2FeatureExtractor",
                    ["feature_size"] = 80,
                    ["sampling_rate"] = 16_000,
                    ["padding_value"] = 1.0,
                    ["hop_length"] = Xcodec2Config.FromFile(configPath).HopLength,
                });
                break;
            case ModelKind.Recogniser:
                var whisper = WhisperConfig.FromFile(configPath);
                var tokens = WhisperTokens.Standard(whisper.VocabularySize);
                RandomTokenizer.WriteRecogniser(tokenizer, tokens, whisper.VocabularySize);
                WriteJson("generation_config.json", GenerationConfig(tokens));
                WriteJson("preprocessor_config.json", new JsonObject
                {
                    ["feature_extractor_type"] = "WhisperFeatureExtractor",
                    ["feature_size"] = whisper.MelBins,
                    ["sampling_rate"] = 16_000,
                    ["hop_length"] = 160,
                    ["chunk_length"] = whisper.WindowSamples % 16_000 == 0 ? whisper.WindowSamples / 16_000 : whisper.WindowSamples / 16_000.0,
                    ["n_fft"] = 400,
                    ["n_samples"] = whisper.WindowSamples,
                    ["nb_max_frames"] = whisper.WindowSamples / 160,
                    ["padding_value"] = 0.0,
                    ["return_attention_mask"] = false,
                });
                break;
        }

        void WriteJson(string name, JsonObject content) =>
            File.WriteAllText(Path.Combine(directory, name), content.ToJsonString(JsonWriting.Indented) + "\n");
    }

    private static JsonObject GenerationConfig(WhisperTokens tokens) => new()
    {
        ["is_multilingual"] = tokens.IsMultilingual,
        ["decoder_start_token_id"] = tokens.StartOfTranscript,
        ["eos_token_id"] = tokens.EndOfText,
        ["pad_token_id"] = tokens.EndOfText,
        ["no_timestamps_token_id"] = tokens.NoTimestamps,
        ["lang_to_id"] = new JsonObject(tokens.Languages.OrderBy(p => p.Value).Select(p => KeyValuePair.Create($"<|{p.Key}|>", (JsonNode?)p.Value))),
        ["task_to_id"] = new JsonObject { ["transcribe"] = tokens.Transcribe, ["translate"] = tokens.Translate },
    };

    private static void WriteWeights(string directory, IReadOnlyList<TensorInfo> tensors, RandomCheckpointOptions options)
    {
        var shards = Shard(tensors, options.ShardBytes);
        if (shards.Count == 1)
        {
            WriteFile(Path.Combine(directory, "model.safetensors"), shards[0], options.Seed);
            return;
        }

        JsonObject map = [];
        for (var i = 0; i < shards.Count; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors");
            WriteFile(Path.Combine(directory, name), shards[i], options.Seed);
            shards[i].ForEach(tensor => map[tensor.Name] = name);
        }

        JsonObject index = new()
        {
            ["metadata"] = new JsonObject { ["total_size"] = tensors.Sum(t => t.ByteLength) },
            ["weight_map"] = map,
        };
        File.WriteAllText(Path.Combine(directory, "model.safetensors.index.json"), index.ToJsonString(JsonWriting.Indented) + "\n");
    }

    private static List<List<TensorInfo>> Shard(IReadOnlyList<TensorInfo> tensors, long limit)
    {
        List<List<TensorInfo>> shards = [[]];
        var bytes = 0L;
        foreach (var tensor in tensors)
        {
            if (limit > 0 && bytes + tensor.ByteLength > limit && shards[^1].Count > 0)
            {
                shards.Add([]);
                bytes = 0;
            }

            shards[^1].Add(tensor);
            bytes += tensor.ByteLength;
        }

        return shards;
    }

    private static void WriteFile(string path, IReadOnlyList<TensorInfo> tensors, ulong seed)
    {
        using SafeTensorsWriter writer = new(path, tensors);
        var values = new float[Math.Min(ChunkElements, tensors.Max(t => t.ElementCount))];
        foreach (var tensor in tensors)
        {
            for (var at = 0L; at < tensor.ElementCount; at += ChunkElements)
            {
                var count = (int)Math.Min(ChunkElements, tensor.ElementCount - at);
                Fill(tensor, at, values.AsMemory(0, count), seed);
                writer.Write(tensor.Name, values.AsSpan(0, count), at);
            }
        }

        writer.Complete();
    }

    /// <summary>
    /// Values under which states keep their size from layer to layer: a vector scales by one if it is a norm's and adds nothing else;
    /// a matrix has the variance 1 / inputs, and an embedding that with which Transformers begins.
    /// </summary>
    private static void Fill(TensorInfo tensor, long first, Memory<float> values, ulong seed)
    {
        if (tensor.Shape.Length < 2)
        {
            values.Span.Fill(tensor.Name.EndsWith(".weight", StringComparison.Ordinal) ? 1 : 0);
            return;
        }

        var isEmbedding = tensor.Name.Contains("embed_", StringComparison.Ordinal) || tensor.Name.Contains("embedding", StringComparison.Ordinal);
        var deviation = isEmbedding ? 0.02 : Math.Sqrt((double)tensor.Shape[0] / tensor.ElementCount);
        // Uniform between -w and w has the variance w² / 3.
        var width = (float)(deviation * Math.Sqrt(3));
        var stream = XxHash64.HashToUInt64(MemoryMarshal.AsBytes(tensor.Name.AsSpan()));
        Parallel.For(0, (values.Length + BlockElements - 1) / BlockElements, block =>
        {
            var part = values.Span[(block * BlockElements)..Math.Min(values.Length, (block + 1) * BlockElements)];
            var start = first + (block * (long)BlockElements);
            for (var i = 0; i < part.Length; i += 4)
            {
                var (a, b) = Philox.Draw(seed, (ulong)(start + i) / 4, stream);
                for (var k = 0; k < 4 && i + k < part.Length; k++)
                {
                    var bits = (uint)((k < 2 ? a : b) >> (32 * (k % 2)));
                    part[i + k] = width * ((int)bits * (1.0f / int.MaxValue));
                }
            }
        });
    }
}
