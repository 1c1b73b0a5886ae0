using LlasaNative.Engine;

namespace LlasaNative.Training;

/// <summary>Device memory of a training run, counted from configurations; of weights only the head is looked at, which may be one of its own.</summary>
/// <remarks><b>Threads:</b> stateless, any thread.</remarks>
public static class MemoryPlanner
{
    /// <summary>Counts.</summary>
    /// <param name="options">The run; of its models only those named are counted, and of those not the ones of another engine.</param>
    /// <param name="ranks">Processes that train together, at least 1: the plan is of the one that holds most.</param>
    /// <param name="forGpu">As on a GPU, without one; else as the backend at hand takes it.</param>
    /// <returns>Upper bounds: prompts and responses are taken to be as long as the options allow.</returns>
    /// <exception cref="ModelFileException">A model's configuration is missing or malformed.</exception>
    /// <exception cref="UsageException">The sizes contradict each other.</exception>
    public static MemoryPlan Plan(GrpoOptions options, int ranks = 1, bool forGpu = false)
    {
        ArgumentNullException.ThrowIfNull(options);
        var trainer = options.Optimiser.ToNative();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ranks);
        trainer.NumRanks = ranks;
        trainer.ShardWeights = options.Trainer.ShardWeights ? 1 : 0;
        NativePlannedRun run = new()
        {
            Prompts = (options.Rollout.PromptsPerStep + ranks - 1) / ranks,   // a rank's share of the step
            SamplesPerPrompt = options.Rollout.SamplesPerPrompt,
            ResponseTokens = options.Rollout.MaxNewTokens,
            Clips = options.Scoring.BatchSize,
            TextTokens = 448,
            ForGpu = forGpu,
        };
        if (options.Models.Policy.Length > 0)
        {
            run = WithPolicy(run, options) with { Trainer = trainer };
        }

        if (options.Models.Codec.Length > 0)
        {
            run = run with { Codec = SpeechCodec.ToNative(ReadCodec(options.Models.Codec), null, options.Models.ScoringType) };
        }

        if (IsNative(options.Models.Recogniser))
        {
            var config = WhisperConfig.FromFile(Path.Combine(options.Models.Recogniser, "config.json"));
            run = run with { Whisper = NativeRecogniser.ToNative(config, 0, options.Models.ScoringType, options.Scoring), TextTokens = config.MaxTargetPositions };
        }

        try
        {
            var plan = NativeMemoryPlan.Of(run);
            MemoryPlan all = new(plan.Items, plan.PeakBytes);
            if (ranks > 1 && (forGpu || NativeDevice.GetInfo().Backend == "cuda") && Environment.GetEnvironmentVariable("LLASA_NCCL") != "0")
            {
                var bytes = NcclMemory.Estimate(Environment.GetEnvironmentVariable);
                all = new MemoryPlan([.. all.Items, new NativeMemoryItem("ranks", "NCCL's buffers, an upper bound", bytes)], all.PeakBytes + bytes);
            }

            return IsNative(options.Evaluation.Recogniser) ? all.Beside("second ear", SecondEar(options, forGpu)) : all;
        }
        catch (NativeException e)
        {
            throw new UsageException($"the memory of this run cannot be planned: {e.Message}", e);
        }
    }

    private static bool IsNative(string recogniser) => recogniser.Length > 0 && !RecogniserEngines.IsGgml(recogniser);

    /// <summary>The ear that only evaluations have; sounds are brought to it, and taken to be as long as its window.</summary>
    private static NativeMemoryPlan SecondEar(GrpoOptions options, bool forGpu)
    {
        var config = WhisperConfig.FromFile(Path.Combine(options.Evaluation.Recogniser, "config.json"));
        return NativeMemoryPlan.Of(new NativePlannedRun
        {
            Whisper = NativeRecogniser.ToNative(config, 0, options.Models.ScoringType),
            Clips = options.Scoring.BatchSize,
            TextTokens = config.MaxTargetPositions,
            ForGpu = forGpu,
        });
    }

    /// <summary>Tokens that the longest prompt is taken to have.</summary>
    /// <param name="options">The run; without a limit of its own 512.</param>
    public static int PromptTokens(GrpoOptions options) => options?.Data.MaxPromptTokens is > 0 and var limit ? limit : 512;

    private static NativePlannedRun WithPolicy(NativePlannedRun run, GrpoOptions options)
    {
        var path = options.Models.Policy;
        var config = ReadPolicy(path);
        var frozen = options.Lora.Enabled;
        var prompt = Math.Max(1, Math.Min(PromptTokens(options), config.MaxPositions - options.Rollout.MaxNewTokens));
        var rollout = NativeRolloutOptions.CreateDefault();
        rollout.MaxSlots = options.Rollout.Slots;
        var sampling = NativeSamplingOptions.CreateDefault();
        var head = NativeHeadOptions.CreateDefault();
        sampling.MaxNewTokens = options.Rollout.MaxNewTokens;
        if (options.Rollout.SpeechOnly && ByteLevelBpe.IsIn(path))
        {
            var speech = LlasaPrompt.Create(ByteLevelBpe.FromDirectory(path), options.Prompt).Speech;
            (head.RestrictStart, head.RestrictEnd, head.RestrictExtra) = (speech.Offset, speech.Offset + speech.Count, speech.End);
            (sampling.RestrictStart, sampling.RestrictEnd, sampling.RestrictExtra) = (head.RestrictStart, head.RestrictEnd, head.RestrictExtra);
        }

        return run with
        {
            Policy = PolicyModel.ToNative(config, options.Models.PolicyType, frozen),
            Reference = options.Loss.KeepsReference ? PolicyModel.ToNative(config, options.Loss.ReferenceType(options.Models.PolicyType), frozen: true) : null,
            Lora = options.Lora.Enabled ? LoraAdapter.ToNative(options.Lora, 0) : null,
            Rollout = rollout,
            Sampling = sampling,
            Head = head,
            PromptTokens = prompt,
        };
    }

    /// <summary>Sizes of a policy. They need no weights; where there are some, they say whether the head is one of its own.</summary>
    /// <param name="path">Its directory.</param>
    /// <exception cref="ModelFileException">The configuration is missing or malformed.</exception>
    public static LlamaConfig ReadPolicy(string path) =>
        Read(path, directory => LlamaConfig.FromDirectory(directory), LlamaConfig.FromFile);

    /// <summary>Sizes of a codec. Weights say which of the two layouts it is; without them it is Transformers'.</summary>
    /// <param name="path">Its directory.</param>
    /// <exception cref="ModelFileException">The configuration is missing or malformed.</exception>
    public static Xcodec2Config ReadCodec(string path) =>
        Read(path, directory => Xcodec2Config.FromDirectory(directory), Xcodec2Config.FromFile);

    private static T Read<T>(string path, Func<HuggingFaceDirectory, T> fromDirectory, Func<string, T> fromConfig)
    {
        if (!HuggingFaceDirectory.HasWeights(path))
        {
            return fromConfig(Path.Combine(path, "config.json"));
        }

        using var directory = HuggingFaceDirectory.Open(path);
        return fromDirectory(directory);
    }
}
