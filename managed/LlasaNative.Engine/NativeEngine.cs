using LlasaNative.Judging;
using LlasaNative.Recognition;

namespace LlasaNative.Engine;

/// <summary>The method's ports on the native library.</summary>
/// <remarks><b>Threads:</b> any; what it makes has rules of its own.</remarks>
public static class NativeEngine
{
    /// <summary>Loads policy, codec and recogniser.</summary>
    /// <param name="models">Their directories, none empty.</param>
    /// <param name="prompt">How prompts are made.</param>
    /// <param name="scoring">How the recogniser listens.</param>
    /// <param name="frozen">Whether the policy's own weights stay as they are, as <see cref="PolicyModel.Load"/> says.</param>
    /// <exception cref="ModelFileException">A directory is not what it should be, or the models do not fit together.</exception>
    public static GrpoModels Load(ModelOptions models, PromptOptions prompt, ScoringOptions scoring, bool frozen = false) =>
        Load(models, prompt, () => LoadRecognition(models, scoring), frozen);

    /// <summary>Loads the policy, with another recognition.</summary>
    /// <param name="models">Directory of the policy; the others are not read.</param>
    /// <param name="prompt">How prompts are made.</param>
    /// <param name="recognition">Makes the recognition.</param>
    /// <param name="frozen">Whether the policy's own weights stay as they are, as <see cref="PolicyModel.Load"/> says.</param>
    /// <exception cref="ModelFileException">The directory is not what it should be, or the two do not fit together.</exception>
    public static GrpoModels Load(ModelOptions models, PromptOptions prompt, Func<IRecognition> recognition, bool frozen = false)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(recognition);
        return PolicyModel.Load(models.Policy, prompt, models.PolicyType, frozen).DisposeOnFailure(policy => new GrpoModels(policy, recognition()));
    }

    /// <summary>Loads codec and recogniser.</summary>
    /// <param name="models">Their directories; the policy's is not read.</param>
    /// <param name="scoring">How the recogniser listens.</param>
    /// <exception cref="ModelFileException">A directory is not what it should be, or the two do not fit together.</exception>
    public static LocalRecognition LoadRecognition(ModelOptions models, ScoringOptions scoring)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(scoring);
        var device = NativeDevice.GetInfo();
        return SpeechCodec.Load(models.Codec, type: models.ScoringType, device: scoring.Device).DisposeOnFailure(codec =>
            codec.SampleRate == RecognisedSample.SampleRate
                ? new LocalRecognition(
                    $"the codec {models.Codec}", scoring.BatchSize, codec, RecogniserEngines.Load(models.Recogniser, scoring, models.ScoringType),
                    worksBesidePolicy: device.Backend is "cuda", device.NumThreads)
                : throw new ModelFileException(models.Codec, "sampling_rate", $"{codec.SampleRate}, but the recogniser listens at {RecognisedSample.SampleRate}"));
    }

    /// <summary>Prepares a run of reinforcement learning; its policy gets an adapter if the options say so.</summary>
    /// <param name="options">Validated options.</param>
    /// <param name="models">Models of <see cref="Load(ModelOptions, PromptOptions, ScoringOptions, bool)"/>.</param>
    /// <param name="texts">Training texts, encoded by the models.</param>
    /// <param name="voices">Voices that are drawn for texts without their own; null = none.</param>
    /// <param name="world">Whose ranks share the steps; null = this process alone.</param>
    /// <param name="pairs">Judges pairs in place of the reward; not disposed with the loop. Null = the reward does.</param>
    /// <returns>Dispose it before its models.</returns>
    /// <exception cref="UsageException">There is no such engine, or it cannot train this policy.</exception>
    public static GrpoLoop CreateLoop(
        GrpoOptions options, GrpoModels models, IReadOnlyList<EncodedText> texts, IReadOnlyList<Utterance>? voices = null, IWorld? world = null,
        IPairJudge? pairs = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(models);
        return CreateTrainer((PolicyModel)models.Policy, options.Trainer, options.Optimiser, options.Lora, options.Run.Seed, world)
            .DisposeOnFailure(trainer => new GrpoLoop(options, models, trainer, new NativeGroupKernel(), texts, voices, world, pairs));
    }

    /// <summary>What trains a policy; the policy gets an adapter if the options say so.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="engine">Which engine.</param>
    /// <param name="optimiser">AdamW and its learning rate.</param>
    /// <param name="lora">The adapter.</param>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="world">Whose ranks add up their gradients; null = this process alone.</param>
    /// <returns>Dispose it before the policy.</returns>
    /// <exception cref="UsageException">There is no such engine, or it cannot train this policy.</exception>
    public static IPolicyTrainer CreateTrainer(PolicyModel policy, TrainerOptions engine, OptimiserOptions optimiser, LoraOptions lora, long seed, IWorld? world = null)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(lora);
        if (lora.Enabled && policy.Adapter is null)
        {
            policy.AttachAdapter(lora, Seeds.Adapter(seed));
        }

        return engine.CreateTrainer(policy, new TrainerSettings(optimiser, lora, seed) { World = world ?? Ranks.Alone });
    }
}
