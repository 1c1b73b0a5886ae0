namespace LlasaNative.Training;

/// <summary>Group-relative policy optimisation under a recogniser's judgement: the whole flow, from text to new weights.</summary>
/// <remarks>
/// The log-probs recorded while sampling are those of the policy before the step's first update, up to rounding: the gap between
/// the two is measured at every step. <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it before its models; its trainer goes with it.
/// </remarks>
/// <example>
/// <code>
/// using GrpoModels models = NativeEngine.Load(options.Models, options.Prompt, options.ToScoring(training: true));
/// EncodedText[] texts = models.Encode(PromptFile.Read("sentences.txt"), options.Rollout.MaxNewTokens);
/// using GrpoLoop loop = NativeEngine.CreateLoop(options, models, texts);
/// StepReport report = loop.TakeStep(1, keepSound: false, CancellationToken.None);
/// </code>
/// </example>
public sealed class GrpoLoop : ITrainingLoop, IDisposable
{
    private readonly GrpoOptions _options;
    private readonly IRecognition _recognition;
    private readonly IReadOnlyList<EncodedText> _texts;
    private readonly EpochOrder _order;
    private readonly SampleJudge _judge;
    private readonly GroupJudge? _pairs;
    private readonly ReferencePolicy? _reference;
    private readonly PolicyUpdate _update;
    private readonly SamplingSettings _sampling;
    private readonly VoiceDraw _voices;
    private readonly IWorld _world;

    /// <summary>Prepares a run.</summary>
    /// <param name="options">Validated options.</param>
    /// <param name="models">The models; the policy is trained in place.</param>
    /// <param name="trainer">Trains the policy; disposed with this.</param>
    /// <param name="kernel">Compares within groups.</param>
    /// <param name="texts">Training texts, encoded by the models with room for <c>rollout.max_new_tokens</c>, and where voices are drawn for theirs.</param>
    /// <param name="voices">Voices of which each group of a text without its own gets one, by chance; null = none.</param>
    /// <param name="world">Whose ranks share the steps, the trainer's; null = this process alone.</param>
    /// <param name="pairs">Judges pairs in place of the reward; not disposed with this. Null = the reward does.</param>
    public GrpoLoop(
        GrpoOptions options, GrpoModels models, IPolicyTrainer trainer, IGroupKernel kernel, IReadOnlyList<EncodedText> texts, IReadOnlyList<Utterance>? voices = null, IWorld? world = null,
        IPairJudge? pairs = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(texts);
        (_options, _recognition, Policy, Trainer, _texts) = (options, models.Recognition, models.Policy, trainer, texts);
        _order = new EpochOrder(texts.Count, Seeds.DataOrder(options.Run.Seed), options.Data.Shuffle);
        _world = world ?? Ranks.Alone;
        _judge = new SampleJudge(options.ToReward());
        _pairs = pairs is null ? null : new GroupJudge(pairs);
        _voices = new VoiceDraw(voices ?? [], Seeds.Voices(options.Run.Seed));
        _sampling = options.Rollout.ToSampling(Seeds.Rollouts(options.Run.Seed));
        _reference = options.Loss.KeepsReference ? new ReferencePolicy(Policy, options.Loss.Reference) : null;
        _update = new PolicyUpdate(options, kernel, _reference is null ? null : ReferenceLogProbs, _world);
    }

    /// <inheritdoc/>
    public IPolicy Policy { get; }

    /// <inheritdoc/>
    public IPolicyTrainer Trainer { get; }

    /// <summary>Texts drawn so far, which is where the next step begins with dynamic sampling; without, steps begin at fixed places.</summary>
    public long DataPosition { get; set; }

    /// <inheritdoc/>
    public StepReport TakeStep(long number, bool keepSound, CancellationToken cancellation)
    {
        PhaseTimer timer = new();
        StepGroups groups = new(_options, _update.Advantage, _options.Rollout.Dynamic ? DataPosition : (number - 1) * _options.Rollout.PromptsPerStep);
        timer.Measure("gather", Policy.Gather);
        while (groups.Missing > 0)
        {
            using var batch = TakeTexts(groups, keepSound, timer, cancellation);    // ① texts: this rank's share
            batch.TakeTokens();                                                     // ② tokens
            batch.Sample();                                                         // ③ rollouts
            batch.ReadCodes();                                                      // ④ codes
            batch.Vocode();                                                         // ⑤ waveform
            batch.Recognise();                                                      // ⑥ transcript and likelihood
            var judged = _world.Agree(() => batch.Judge(_judge));                   // ⑦ reward,
            judged = _update.Charge(judged, timer);                                 // less what the reference charges
            judged = _pairs?.Ask(judged, timer, cancellation) ?? judged;            // or what somebody else prefers
            var all = timer.Measure("gather", () => _world.Gather(judged, keepSound));   // from here on every rank has all samples
            CheckScored(number, all.Recognised);
            groups.Add(all);
            CheckJudged(number, all);
        }

        DataPosition = groups.Position;   // only now: a step that fails begins at the same place when it is taken again
        var drawn = groups.Drawn;
        var terms = _update.Compare(drawn, groups.TakesPart(), timer);              // ⑧ advantage
        var rate = Schedules.LearningRate(_options.Optimiser, number, _options.Run.Steps);
        UpdateSummary updates = new();
        foreach (var part in _update.Parts(number, drawn, terms, updates, timer))
        {
            updates.Add(
                timer.Measure("gradient", () => Trainer.Reduce(Accumulate(part, cancellation))),   // ⑨ gradient
                timer.Measure("update", () => Trainer.Apply(rate)));                // ⑩ weights
        }

        return GrpoReport.Make(number, rate, new GrpoReport.Outcome(drawn, terms, updates, groups.Counts, groups.Verdicts, Policy.AllocatedBytes), timer, keepSound);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trainer.Dispose();
        _reference?.Dispose();
    }

    /// <summary>A rank whose share of an update is empty has nothing to add.</summary>
    private LossStats Accumulate(PolicyUpdate.UpdatePart part, CancellationToken cancellation) =>
        part.Sequences.Count == 0 ? new LossStats() : Trainer.Accumulate(part.Sequences, _update.Head, part.Terms, _update.Shape, cancellation);

    /// <summary>The next texts; a sample's random numbers are keyed by its place in the walk through them.</summary>
    private SpokenBatch TakeTexts(StepGroups groups, bool keepSound, PhaseTimer timer, CancellationToken cancellation)
    {
        var (skipped, taken) = _world.Share(groups.Missing).GetOffsetAndLength(groups.Missing);
        var (first, rollout) = (groups.Position + skipped, _options.Rollout);
        EncodedText[] texts = [.. Enumerable.Range(0, taken).Select(p => WithVoice(_texts[_order[first + p]], first + p))];
        SpeakRequest request = new(texts, rollout.SamplesPerPrompt, _sampling, (ulong)first * (ulong)rollout.SamplesPerPrompt)
        {
            Slots = rollout.Slots,
            Overlap = _recognition.WorksBesidePolicy,
            Extras = _judge.Extras | (keepSound || _pairs is not null ? RecognitionExtras.Sound : 0) | RecognitionExtras.Prosody,
        };
        return new SpokenBatch(Policy, _recognition, request, timer, cancellation);
    }

    /// <summary>A group's prompt is encoded when its voice is known; a text that has its own voice was when it was read.</summary>
    private EncodedText WithVoice(EncodedText text, long place) => text.Voice is not null || _voices.At(place) is not { } voice ? text
        : new EncodedText(text.Text, Policy.EncodePrompt(text.Text, _options.Rollout.MaxNewTokens, _options.Data.MaxPromptTokens, voice)) { Voice = voice };

    /// <summary>A step that too few samples speak for is given up before it changes anything.</summary>
    private void CheckScored(long number, IReadOnlyList<RecognisedSample> recognised)
    {
        var (failed, allowed) = (recognised.Count(h => h.Failure is not null), _options.RewardServer.MaxNotScored);
        if (failed > allowed * recognised.Count)
        {
            throw new RewardUnavailableException(string.Create(
                CultureInfo.InvariantCulture,
                $"step {number}: {failed} of {recognised.Count} samples could not be scored, more than reward_server.max_not_scored {allowed:R} allows: {recognised.First(h => h.Failure is not null).Failure}"));
        }
    }

    /// <summary>The same where somebody else judges: more went without an answer than may.</summary>
    private void CheckJudged(long number, DrawnGroups drawn)
    {
        JudgeCounts counts = new([.. drawn.Pairs.OfType<JudgedPair>().Select(p => p.Verdict)]);
        counts.Check(counts.Pairs, _options.ToJudge(), string.Create(CultureInfo.InvariantCulture, $"step {number}: "));
    }

    private float[] ReferenceLogProbs(PackedSequences packed) => _reference!.LogProbs(policy => _update.LogProbs(policy, packed));
}
