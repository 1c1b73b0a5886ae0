namespace LlasaNative.Models;

/// <summary>A Llasa policy: the weights, the tokenizer and the prompt of a Hugging Face directory.</summary>
/// <remarks>
/// <b>Threads:</b> one at a time, together with the rollouts and trainers made of it. <b>Lifetime:</b> dispose it; rollouts
/// and trainers keep the weights alive by themselves.
/// </remarks>
/// <example>
/// <code>
/// using PolicyModel policy = PolicyModel.Load("models/Llasa-1B");
/// int[] prompt = policy.EncodePrompt("a big dog", maxNewTokens: 400);
/// policy.Save("out", TensorType.BF16);
/// </code>
/// </example>
public sealed class PolicyModel : IPolicy
{
    private readonly HuggingFaceDirectory _directory;
    private RolloutEngine? _rollouts;
    private bool _isCopy;   // whose directory is the original's

    private PolicyModel(HuggingFaceDirectory directory, LlamaConfig config, LlasaPrompt prompt, ComputeType type, bool frozen)
    {
        (_directory, Config, Prompt, ComputeType) = (directory, config, prompt, type);
        var last = Math.Max(Prompt.Speech.Offset + Prompt.Speech.Count - 1, Prompt.Speech.End);
        ModelFileException.ThrowIf(
            last >= Config.VocabularySize, directory.ConfigPath, "vocab_size", $"{Config.VocabularySize}, but the tokenizer has a speech token with id {last}");
        Native = NativeErrors.AboutFile(directory.ConfigPath, null, () => new NativePolicy(ToNative(Config, type, frozen)));
    }

    /// <summary>Directory it was loaded from.</summary>
    public string Path => _directory.Path;

    /// <summary>Sizes of the model.</summary>
    public LlamaConfig Config { get; }

    /// <inheritdoc/>
    public ComputeType ComputeType { get; }

    /// <inheritdoc/>
    public string Name => Path;

    /// <inheritdoc/>
    public int CodeCount => Speech.Count;

    /// <inheritdoc/>
    public bool HasAdapter => Adapter is not null;

    /// <inheritdoc/>
    public long AllocatedBytes => NativeDevice.GetLiveCounts().AllocatedBytes;

    /// <inheritdoc/>
    public IReadOnlyList<PolicyTensor> Trained => [.. TrainedTensors.Select(t => new PolicyTensor(t.Name, t.Shape))];

    /// <summary>Makes prompts of texts.</summary>
    public LlasaPrompt Prompt { get; }

    /// <summary>The native weights.</summary>
    public NativePolicy Native { get; }

    /// <summary>The speech tokens of its tokenizer.</summary>
    public SpeechTokens Speech => Prompt.Speech;

    /// <summary>Number of parameters.</summary>
    public long ParameterCount => BaseTensors.Sum(t => t.Count);

    /// <summary>Its low-rank adapter; null when it has none.</summary>
    public LoraAdapter? Adapter { get; private set; }

    /// <summary>What is trained, and so what a checkpoint must hold: the adapter where there is one, else all weights.</summary>
    public IReadOnlyList<NativeTensor> TrainedTensors => Adapter?.Tensors ?? Native.GetTensors();

    /// <summary>The ranks that hold its weights in parts; null where this process has them all.</summary>
    internal ProcessWorld? SharedOver { get; set; }

    private NativeTensor[] BaseTensors => [.. Native.GetTensors().Where(t => !t.IsAdapter)];

    /// <summary>Loads a directory.</summary>
    /// <param name="path">Hugging Face directory of a Llasa model.</param>
    /// <param name="prompt">How prompts are made; null for the defaults.</param>
    /// <param name="type">Element type of the matrices that are computed with.</param>
    /// <param name="frozen">
    /// Whether the weights stay as they are: then only an adapter can be trained, and with <see cref="ComputeType.Bf16"/>
    /// no float32 values of the matrices are kept, which halves the memory and is what <see cref="Save"/> then writes. What is
    /// not frozen cannot be in <see cref="ComputeType.Q8"/>.
    /// </param>
    /// <exception cref="UsageException">A policy that is not frozen in 8 bits.</exception>
    /// <exception cref="ModelFileException">Something is missing, malformed or not supported; the message names file and field.</exception>
    public static PolicyModel Load(string path, PromptOptions? prompt = null, ComputeType type = ComputeType.F32, bool frozen = false)
    {
        var model = HuggingFaceDirectory.Open(path).DisposeOnFailure(directory => new PolicyModel(
            directory, LlamaConfig.FromDirectory(directory), LlasaPrompt.Create(ByteLevelBpe.FromDirectory(directory.Path), prompt), type, frozen));
        return model.DisposeOnFailure(_ =>
        {
            var tied = model.Config.TieWordEmbeddings ? TiedHead.Llama : null;
            WeightLoader.Load(model._directory, model.Native.GetTensors(), model.Native.SetTensor, tied);
            WeightLoader.WarnOfUnread(model._directory, model.Native.GetTensors(), tied);
            CollectMuchGarbage();
        });
    }

    /// <summary>Replaces the weights by those of a checkpoint of the same sizes.</summary>
    /// <param name="path">Directory of the checkpoint.</param>
    /// <exception cref="ModelFileException">The checkpoint is damaged or of another size.</exception>
    public void LoadWeights(string path)
    {
        using var directory = HuggingFaceDirectory.Open(path);
        WeightLoader.Load(directory, BaseTensors, Native.SetTensor, Config.TieWordEmbeddings ? TiedHead.Llama : null);
    }

    /// <summary>Puts an adapter beside the weights, once; they stay as they are from then on.</summary>
    /// <param name="options">Rank, scale and targets.</param>
    /// <param name="seed">Decides what it begins with.</param>
    public void AttachAdapter(LoraOptions options, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(options);
        UsageException.ThrowIf(ComputeType == ComputeType.Q8, "`models.policy_type`: q8, expected f32 or bf16: 8-bit weights take no adapter");
        Adapter = new LoraAdapter(Native, Path, options, seed);
    }

    /// <inheritdoc/>
    public IPolicy CopyFrozen(ComputeType type)
    {
        return new PolicyModel(_directory, Config, Prompt, type, frozen: true) { _isCopy = true }.DisposeOnFailure(copy =>
        {
            copy.Native.CopyWeightsFrom(Native);
            if (SharedOver is not null && type != ComputeType.Q8)   // 8 bits a weight are a good quarter, and stay whole
            {
                copy.Native.ShareOut(SharedOver.Native);
                copy.SharedOver = SharedOver;
            }
        });
    }

    /// <inheritdoc/>
    public int[] EncodePrompt(string text, int maxNewTokens, int maxPromptTokens = 0, Utterance? voice = null)
    {
        var ids = Prompt.Encode(text, voice);
        Prompt.Tokenizer.RequireWithin(ids, Config.VocabularySize, "the policy");
        var by = voice is null ? "" : $" with its voice prompt of {voice.Codes.Count} codes";
        UsageException.ThrowIf(maxPromptTokens > 0 && ids.Length > maxPromptTokens,
            $"the text `{Shorten(text)}`{by} takes {ids.Length} prompt tokens, more than data.max_prompt_tokens {maxPromptTokens}");
        return ids.Length + maxNewTokens <= Config.MaxPositions
            ? ids
            : throw new UsageException($"the text `{Shorten(text)}`{by} takes {ids.Length} prompt tokens; with {maxNewTokens} for speech "
                + $"that is more than the {Config.MaxPositions} the model allows (max_position_embeddings)");
    }

    /// <inheritdoc/>
    public int[] EncodeResponse(IReadOnlyList<int> codes) => [.. codes.Select(Speech.ToToken), Speech.End];

    /// <inheritdoc/>
    public int[] ReadCodes(ReadOnlySpan<int> response) => Speech.ExtractCodes(response);

    /// <inheritdoc/>
    public RolloutBatch Sample(SampleRequest request, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (_rollouts?.Fits(request) != true)
        {
            _rollouts?.Dispose();
            _rollouts = null;
            _rollouts = new RolloutEngine(this, request.Slots);
        }

        return _rollouts.Generate(request, cancellation);
    }

    /// <inheritdoc/>
    public float[] Score(PackedSequences sequences, HeadSettings head, long microBatchTokens)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        ArgumentNullException.ThrowIfNull(head);
        var values = new float[sequences.ScoredTokens];
        Native.LogProbs(sequences.ToNative(), ToNative(head), values, microBatchTokens: microBatchTokens);
        return values;
    }

    /// <inheritdoc/>
    public void Gather() => Native.Gather();

    /// <inheritdoc/>
    public void UseAdapter(bool active) => Native.UseLora(active);

    /// <inheritdoc/>
    public void ReadTensor(string name, Span<float> values) => Native.GetTensor(name, values);

    /// <inheritdoc/>
    public void WriteTensor(string name, ReadOnlySpan<float> values) =>
        Native.SetTensor(name, [.. TrainedTensors.First(t => t.Name == name).Shape], values);

    internal NativeHeadOptions ToNative(HeadSettings settings)
    {
        var head = NativeHeadOptions.CreateDefault();
        head.Temperature = (float)settings.Temperature;
        if (settings.SpeechOnly)
        {
            (head.RestrictStart, head.RestrictEnd, head.RestrictExtra) = (Speech.Offset, Speech.Offset + Speech.Count, Speech.End);
        }

        return head;
    }

    /// <summary>Writes a directory that Transformers loads: config, tokenizer and weights, an adapter merged into them.</summary>
    /// <param name="target">An existing directory.</param>
    /// <param name="type">F32, F16 or BF16; F32 is exact.</param>
    /// <exception cref="ModelFileException">A file cannot be written, for example because the disk is full.</exception>
    public void Save(string target, TensorType type)
    {
        var tensors = BaseTensors;
        var file = System.IO.Path.Combine(target, "model.safetensors");
        using SafeTensorsWriter writer = new(
            file, tensors.Select(t => new TensorInfo(t.Name, type, [.. t.Shape])));
        // One array for all, as large as the largest: gigabytes are not to be had again and again.
        var values = new float[tensors.Max(t => t.Count)];
        foreach (var tensor in tensors)
        {
            var merged = values.AsSpan(0, checked((int)tensor.Count));
            Native.GetMergedTensor(tensor.Name, merged);
            writer.Write(tensor.Name, merged);
        }

        writer.Complete();
        _directory.CopySideFiles(target, type, Config.TieWordEmbeddings);   // a weight that the type cannot hold leaves nothing
    }

    /// <summary>Takes part in another rank's <see cref="Save"/>: weights that ranks hold in parts are brought together for it.</summary>
    public void TakePartInSaving()
    {
        foreach (var tensor in SharedOver is null ? [] : BaseTensors)
        {
            Native.GetMergedTensor(tensor.Name, new float[tensor.Count]);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rollouts?.Dispose();
        Native.Dispose();
        if (!_isCopy)
        {
            _directory.Dispose();
        }
    }

    /// <summary>
    /// A tokenizer of 200,000 tokens leaves several times what it takes behind when it is read; and what a run does for hours, in
    /// native code, makes too little garbage to have it collected.
    /// </summary>
    private static void CollectMuchGarbage()
    {
        const long Much = 48 << 20;
        if (GC.GetTotalMemory(forceFullCollection: false) > Much)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }
    }

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "…";

    internal static NativePolicyOptions ToNative(LlamaConfig config, ComputeType type, bool frozen)
    {
        UsageException.ThrowIf(type == ComputeType.Q8 && !frozen, "`models.policy_type`: q8, expected f32 or bf16: 8-bit weights cannot be trained");
        var options = NativePolicyOptions.CreateDefault();
        options.ComputeDtype = type.ToNative();
        options.Frozen = frozen ? 1 : 0;
        options.VocabSize = config.VocabularySize;
        options.HiddenSize = config.HiddenSize;
        options.IntermediateSize = config.IntermediateSize;
        options.NumLayers = config.Layers;
        options.NumHeads = config.QueryHeads;
        options.NumKvHeads = config.KeyValueHeads;
        options.HeadDim = config.HeadDimension;
        options.MaxPositionEmbeddings = config.MaxPositions;
        options.TieWordEmbeddings = config.TieWordEmbeddings ? 1 : 0;
        options.RmsNormEps = (float)config.RmsNormEpsilon;
        options.RopeTheta = config.RopeTheta;
        if (config.RopeScaling is { } scaling)
        {
            options.RopeType = NativeRopeType.Llama3;
            options.RopeFactor = scaling.Factor;
            options.RopeLowFreqFactor = scaling.LowFrequencyFactor;
            options.RopeHighFreqFactor = scaling.HighFrequencyFactor;
            options.RopeOriginalMaxPosition = scaling.OriginalMaxPositions;
        }

        return options;
    }
}
