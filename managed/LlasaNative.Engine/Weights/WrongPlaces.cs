namespace LlasaNative.Weights;

/// <summary>Says what a path holds that is no Hugging Face directory of safetensors, and what to do about it.</summary>
internal static class WrongPlaces
{
    private const string Expected = "expected a Hugging Face directory with config.json and model.safetensors";

    /// <summary>Why a path that is no directory cannot be opened.</summary>
    public static string NoDirectory(string path) => !File.Exists(path) ? "no such directory" : $"{Expected}, found {KindOf(path)}";

    /// <summary>Why a directory without <c>config.json</c> cannot be opened.</summary>
    public static string NoConfig(string path)
    {
        if (AdapterInfo.IsIn(path))
        {
            return $"{Expected}, found a LoRA adapter ({AdapterInfo.ConfigFile}): here the whole model is needed that it belongs to, or one with the adapter merged into it";
        }

        string? other = Directory.EnumerateFiles(path).Order(StringComparer.Ordinal).FirstOrDefault(file => HasEnding(file, ".gguf", ".ggml"));
        return other is null ? "no such file" : $"no such file; {Expected}, found {KindOf(other)}, `{Path.GetFileName(other)}`";
    }

    /// <summary>Why a directory without safetensors cannot be opened.</summary>
    public static string NoWeights(string path, string single, string index)
    {
        string text = $"holds neither {single} nor {index}";
        string[] parts = [.. Directory.EnumerateFiles(path).Where(file => HasEnding(file, ".safetensors")).Select(file => $"`{Path.GetFileName(file)}`").Order(StringComparer.Ordinal)];
        if (parts.Length > 0)
        {
            return $"{text}, only {parts[0]}{(parts.Length > 1 ? FormattableString.Invariant($" and {parts.Length - 1} more") : string.Empty)}: "
                + $"a model in one file is called {single}, beside one in several lies {index}, which says what is in each; copy it, too, or save the model anew";
        }

        string? other = Directory.EnumerateFiles(path).Order(StringComparer.Ordinal)
            .FirstOrDefault(file => HasEnding(file, ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".gguf", ".ggml", ".onnx"));
        return other is null ? text
            : $"{text}, only {KindOf(other)}, `{Path.GetFileName(other)}`; to convert a checkpoint, load it in Transformers and call model.save_pretrained(directory, safe_serialization=True)";
    }

    /// <summary>Why a directory has no tokenizer.</summary>
    public static string NoTokenizer(string path)
    {
        const string Text = "no such file, and no vocab.json with merges.txt beside it either";
        string? other = Array.Find(["vocab.json", "merges.txt", "tokenizer.model", "vocab.txt"], name => File.Exists(Path.Combine(path, name)));
        return other is null ? Text : $"{Text}, only `{other}`; to convert a tokenizer, load it with AutoTokenizer in Transformers and call save_pretrained(directory)";
    }

    private static bool HasEnding(string file, params ReadOnlySpan<string> endings)
    {
        foreach (string ending in endings)
        {
            if (file.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    private static string KindOf(string file)
    {
        Span<byte> head = stackalloc byte[4];
        try
        {
            using FileStream stream = File.OpenRead(file);
            head = head[..stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            head = [];
        }

        return head.SequenceEqual("GGUF"u8) ? "a GGUF file of llama.cpp"
            : head.SequenceEqual("lmgg"u8) ? "a ggml file of whisper.cpp"
            : head.StartsWith("PK"u8) || HasEnding(file, ".bin", ".pt", ".pth", ".ckpt") ? "a PyTorch checkpoint"
            : HasEnding(file, ".safetensors") ? "a single safetensors file (give the directory it lies in)"
            : HasEnding(file, ".h5") ? "a TensorFlow checkpoint"
            : HasEnding(file, ".msgpack") ? "a Flax checkpoint"
            : HasEnding(file, ".onnx") ? "an ONNX model"
            : "a file";
    }
}
