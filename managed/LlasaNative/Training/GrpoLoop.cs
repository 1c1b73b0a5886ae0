using System.Globalization;
using LlasaNative.Data;
using LlasaNative.Interop;
using LlasaNative.Listening;
using LlasaNative.Models;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>Group-relative policy optimisation under a recogniser's judgement: the whole flow, from text to new weights.</summary>
/// <remarks>
/// One update per batch, so that the log-probs recorded while sampling are those of the policy being updated, up to
/// rounding: the gap between the two is measured at every step. <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it
/// before its models.
/// </remarks>
/// <example>
/// <code>
/// using GrpoModels models = GrpoModels.Load(options.Models, options.Prompt, options.Scoring);
/// using GrpoLoop loop = new(options, models, PromptFile.Read("sentences.txt"));
/// StepReport report = loop.TakeStep(1, keepSound: false, CancellationToken.None);
/// </code>
/// </example>
public sealed class GrpoLoop : ITrainingLoop, IDisposable
{
    private readonly GrpoOptions _options;
    private readonly GrpoModels _models;
    private readonly string[] _texts;
    private readonly EpochOrder _order;
    private readonly RolloutEngine _engine;
    private readonly SampleJudge _judge;
    private readonly NativePolicy? _reference;
    private readonly NativeHeadOptions _head;
    private readonly SamplingSettings _sampling;

    /// <summary>Prepares a run.</summary>
    /// <param name="options">Validated options.</param>
    /// <param name="models">The models; the policy is trained in place.</param>
    /// <param name="texts">Training texts; all must fit the models.</param>
    /// <exception cref="UsageException">A text is too long for a model.</exception>
    public GrpoLoop(GrpoOptions options, GrpoModels models, string[] texts)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(texts);
        _options = options;
        _models = models;
        _texts = options.Data.Limit > 0 ? [.. texts.Take(options.Data.Limit)] : texts;
        models.Listener.Announce(_texts);
        foreach (var text in _texts)
        {
            _ = models.Policy.EncodePrompt(text, options.Rollout.MaxNewTokens);
            models.Listener.CheckText(text);
        }

        _order = new EpochOrder(_texts.Length, Seeds.DataOrder(options.Run.Seed), options.Data.Shuffle);
        _engine = new RolloutEngine(models.Policy, options.Rollout.Slots);
        _judge = options.CreateJudge();
        _head = models.Policy.Head(options.Rollout.Temperature, options.Rollout.SpeechOnly);
        _sampling = options.Rollout.ToSampling(Seeds.Rollouts(options.Run.Seed));
        _reference = options.Loss.KlCoefficient > 0 ? models.Policy.CopyWeights() : null;
        Trainer = new NativeTrainer(models.Policy.Native, options.Optimiser.ToNative());
    }

    /// <inheritdoc/>
    public PolicyModel Policy => _models.Policy;

    /// <inheritdoc/>
    public NativeTrainer Trainer { get; }

    /// <inheritdoc/>
    public StepReport TakeStep(long number, bool keepSound, CancellationToken cancellation)
    {
        var (prompts, group) = (_options.Rollout.PromptsPerStep, _options.Rollout.SamplesPerPrompt);
        PhaseTimer timer = new();

        // ① text
        string[] texts = [.. Enumerable.Range(0, prompts).Select(p => _texts[_order[((number - 1) * prompts) + p]])];
        string[] spoken = [.. texts.SelectMany(text => Enumerable.Repeat(text, group))];

        // ② tokens
        int[][] tokens = [.. texts.Select(text => Policy.EncodePrompt(text, _sampling.MaxNewTokens))];

        // ③ rollouts
        var samples = timer.Measure("rollout", () => _engine.Generate(tokens, group, _sampling, SequenceIds(number, spoken.Length), null, cancellation));

        // ④ codes
        int[][] codes = [.. Enumerable.Range(0, samples.Count).Select(samples.Codes)];

        // ⑤ waveform, ⑥ transcript and likelihood, and how it was said: not rewarded, only watched
        var heard = Listen(spoken, codes, keepSound, timer, cancellation);

        // ⑦ reward
        CheckScored(number, heard, _options.RewardServer.MaxNotScored);
        var judged = timer.Measure("reward", () => _judge.Judge(spoken, samples, codes, heard));

        // ⑧ advantage
        var advantages = timer.Measure("advantage", () => Advantages(judged, group));

        // ⑨ gradient
        var loss = timer.Measure("gradient", () => Gradient(samples.Pack(), advantages, judged, cancellation));

        // ⑩ weights
        var rate = Schedules.LearningRate(_options.Optimiser, number, _options.Run.Steps);
        var update = loss.Tokens > 0 ? timer.Measure("update", () => Trainer.Step((float)rate)) : new NativeStepStats { Skipped = 1 };

        return GrpoReport.Make(number, rate, new GrpoReport.Outcome(spoken, samples, codes, heard, judged, advantages, loss, update), timer);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trainer.Dispose();
        _engine.Dispose();
        _reference?.Dispose();
    }

    private static ulong[] SequenceIds(long step, int count) =>
        [.. Enumerable.Range(0, count).Select(i => ((ulong)(step - 1) * (ulong)count) + (ulong)i)];

    /// <summary>A step that too few samples speak for is given up before it changes anything.</summary>
    private static void CheckScored(long number, IReadOnlyList<Hearing> heard, double allowed)
    {
        var failed = heard.Count(h => h.Failure is not null);
        if (failed > allowed * heard.Count)
        {
            throw new RewardUnavailableException(string.Create(
                CultureInfo.InvariantCulture,
                $"step {number}: {failed} of {heard.Count} samples could not be scored, more than reward_server.max_not_scored {allowed:R} allows: {heard.First(h => h.Failure is not null).Failure}"));
        }
    }

    private IReadOnlyList<Hearing> Listen(string[] spoken, int[][] codes, bool keepSound, PhaseTimer timer, CancellationToken cancellation)
    {
        var extras = (keepSound ? HearingExtras.Sound : 0) | (_options.Run.Prosody ? HearingExtras.Prosody : 0);
        using ListeningSession session = new(_models.Listener, spoken, extras, cancellation);
        for (var i = 0; i < codes.Length; i++)
        {
            session.Offer(i, codes[i]);
        }

        var heard = timer.Measure("listen", session.Complete);
        timer.Add("vocode", heard.VocodeSeconds);
        timer.Add("recognise", heard.RecogniseSeconds);
        timer.Add("prosody", heard.ProsodySeconds);
        return heard.Hearings;
    }

    private float[] Advantages(Judgement[] judged, int group)
    {
        var advantages = new float[judged.Length];
        NativeKernels.GroupAdvantage(
            _options.Loss.Advantage,
            judged.Select(j => (float)j.Reward).ToArray(),
            Enumerable.Range(0, judged.Length).Select(i => (long)(i / group)).ToArray(),
            advantages,
            judged.Select(j => j.Masked ? (byte)0 : (byte)1).ToArray(),
            (float)_options.Loss.AdvantageEpsilon);
        return advantages;
    }

    private NativeLossStats Gradient(PackedSequences packed, float[] advantages, Judgement[] judged, CancellationToken cancellation)
    {
        bool[] takesPart = [.. judged.Select(j => !j.Masked)];
        var mask = packed.Mask(takesPart);
        if (!mask.Contains((byte)1))
        {
            return default;
        }

        var reference = _reference is null ? [] : new float[packed.ScoredTokens];
        _reference?.LogProbs(packed.Batch, _head, reference, microBatchTokens: _options.Optimiser.MicroBatchTokens);
        var loss = _options.Loss.ToNative();
        loss.TotalTokens = mask.Count(m => m == 1);
        loss.TotalSequences = takesPart.Count(t => t);
        loss.Constant = _options.Rollout.MaxNewTokens;
        NativeLossInputs inputs = new() { Advantages = advantages, OldLogProbs = packed.LogProbs, RefLogProbs = reference, Mask = mask };
        return Trainer.Accumulate(packed.Batch, _head, loss, inputs, cancellation: cancellation);
    }
}
