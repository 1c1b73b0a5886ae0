using System.Globalization;
using LlasaNative.Data;
using LlasaNative.Interop;
using LlasaNative.Listening;
using LlasaNative.Models;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>Group-relative policy optimisation under a recogniser's judgement: the whole flow, from text to new weights.</summary>
/// <remarks>
/// The log-probs recorded while sampling are those of the policy before the step's first update, up to rounding: the gap between
/// the two is measured at every step. <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it before its models.
/// </remarks>
/// <example>
/// <code>
/// using GrpoModels models = GrpoModels.Load(options.Models, options.Prompt, options.ToScoring(training: true));
/// EncodedText[] texts = models.Encode(PromptFile.Read("sentences.txt"), options.Rollout.MaxNewTokens);
/// using GrpoLoop loop = new(options, models, texts);
/// StepReport report = loop.TakeStep(1, keepSound: false, CancellationToken.None);
/// </code>
/// </example>
public sealed class GrpoLoop : ITrainingLoop, IDisposable
{
    private readonly GrpoOptions _options;
    private readonly GrpoModels _models;
    private readonly IReadOnlyList<EncodedText> _texts;
    private readonly EpochOrder _order;
    private readonly RolloutEngine _engine;
    private readonly SampleJudge _judge;
    private readonly NativePolicy? _reference;
    private readonly PolicyUpdate _update;
    private readonly SamplingSettings _sampling;

    /// <summary>Prepares a run.</summary>
    /// <param name="options">Validated options.</param>
    /// <param name="models">The models; the policy is trained in place.</param>
    /// <param name="texts">Training texts, encoded by the models with room for <c>rollout.max_new_tokens</c>.</param>
    public GrpoLoop(GrpoOptions options, GrpoModels models, IReadOnlyList<EncodedText> texts)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(texts);
        _options = options;
        _models = models;
        _texts = texts;
        _order = new EpochOrder(texts.Count, Seeds.DataOrder(options.Run.Seed), options.Data.Shuffle);
        if (options.Lora.Enabled && models.Policy.Adapter is null)
        {
            models.Policy.AttachAdapter(options.Lora, Seeds.Adapter(options.Run.Seed));
        }

        _engine = new RolloutEngine(models.Policy, options.Rollout.Slots);
        _judge = options.CreateJudge();
        _sampling = options.Rollout.ToSampling(Seeds.Rollouts(options.Run.Seed));
        // With an adapter the reference is the policy without it, and costs nothing.
        _reference = options.Loss.KeepsReference && models.Policy.Adapter is null
            ? models.Policy.CopyWeights(options.Loss.ReferenceType(models.Policy.ComputeType))
            : null;
        Trainer = new NativeTrainer(models.Policy.Native, options.Optimiser.ToNative());
        _update = new PolicyUpdate(options, models.Policy, Trainer, options.Loss.KeepsReference ? ReferenceLogProbs : null);
    }

    /// <inheritdoc/>
    public PolicyModel Policy => _models.Policy;

    /// <inheritdoc/>
    public NativeTrainer Trainer { get; }

    /// <summary>Texts drawn so far, which is where the next step begins with dynamic sampling; without, steps begin at fixed places.</summary>
    public long DataPosition { get; set; }

    /// <inheritdoc/>
    public StepReport TakeStep(long number, bool keepSound, CancellationToken cancellation)
    {
        PhaseTimer timer = new();

        // ① text to ⑦ reward, until enough groups have something to teach
        var (drawn, counts) = Draw(number, keepSound, timer, cancellation);

        // ⑧ advantage
        var flat = drawn.Flat(_options.Loss.MinGroupDeviation);
        var terms = _update.Prepare(drawn, TakesPart(drawn, flat), timer);

        // ⑨ gradient, ⑩ weights
        var rate = Schedules.LearningRate(_options.Optimiser, number, _options.Run.Steps);
        var updates = _update.Run(number, drawn, terms, rate, timer, cancellation);

        return GrpoReport.Make(number, rate, new GrpoReport.Outcome(drawn, terms, updates, counts with { Flat = flat.Count(f => f) }), timer, keepSound);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trainer.Dispose();
        _engine.Dispose();
        _reference?.Dispose();
    }

    /// <summary>Draws the groups of a step; with dynamic sampling those without variance again, from the next texts, up to the bound.</summary>
    private (DrawnGroups Drawn, GrpoReport.GroupCounts Counts) Draw(long number, bool keepSound, PhaseTimer timer, CancellationToken cancellation)
    {
        var rollout = _options.Rollout;
        var position = rollout.Dynamic ? DataPosition : (number - 1) * rollout.PromptsPerStep;
        var drawn = DrawOnce(number, position, rollout.PromptsPerStep, keepSound, timer, cancellation);
        position += rollout.PromptsPerStep;
        GrpoReport.GroupCounts counts = new(1, 0, 0, drawn.Samples.TokenCount);
        for (; rollout.Dynamic && counts.Rounds < rollout.DynamicRounds; counts = counts with { Rounds = counts.Rounds + 1 })
        {
            var flat = drawn.Flat(_options.Loss.MinGroupDeviation);
            var missing = flat.Count(f => f);
            if (missing == 0)
            {
                break;
            }

            int[] kept = [.. Enumerable.Range(0, drawn.Groups).Where(g => !flat[g])];
            var more = DrawOnce(number, position, missing, keepSound, timer, cancellation);
            position += missing;
            drawn = drawn.Select(kept, more);
            counts = counts with { Redrawn = counts.Redrawn + missing, Tokens = counts.Tokens + more.Samples.TokenCount };
        }

        DataPosition = position;   // only now: a step that fails begins at the same place when it is taken again
        return (drawn, counts);
    }

    private DrawnGroups DrawOnce(long number, long first, int prompts, bool keepSound, PhaseTimer timer, CancellationToken cancellation)
    {
        var group = _options.Rollout.SamplesPerPrompt;

        // ① text
        EncodedText[] texts = [.. Enumerable.Range(0, prompts).Select(p => _texts[_order[first + p]])];
        string[] spoken = [.. texts.SelectMany(text => Enumerable.Repeat(text.Text, group))];

        // ② tokens
        int[][] tokens = [.. texts.Select(text => text.Prompt)];

        // ③ rollouts; a sample's random numbers are keyed by its place in the walk through the texts. Who listens may begin with
        // the first samples while others are still drawn.
        using var listening = BeginListening(spoken, keepSound || _judge.WantsSound, cancellation);
        Action<int, int[]>? finished = Overlaps ? listening.Offer : null;
        ulong[] ids = [.. Enumerable.Range(0, spoken.Length).Select(i => ((ulong)first * (ulong)group) + (ulong)i)];
        var samples = timer.Measure("rollout", () => _engine.Generate(tokens, group, _sampling, ids, null, finished, cancellation));

        // ④ codes
        int[][] codes = [.. Enumerable.Range(0, samples.Count).Select(samples.Codes)];

        // ⑤ waveform, ⑥ transcript and likelihood, and how it was said: not rewarded, only watched
        var heard = EndListening(listening, codes, timer);

        // ⑦ reward
        CheckScored(number, heard, _options.RewardServer.MaxNotScored);
        var judged = timer.Measure("reward", () => _judge.Judge(spoken, [.. Enumerable.Range(0, samples.Count).Select(samples.Ended)], codes, heard));
        return _update.Charge(new DrawnGroups(spoken, samples, codes, heard, judged), timer);
    }

    /// <summary>
    /// Whether samples are scored while others are drawn: with reward servers, whose processors would otherwise wait, and on a GPU, where models
    /// have streams of their own; not by models that share the processor with the rollout. No result depends on it.
    /// </summary>
    private bool Overlaps => _models.Listener is not LocalListener || NativeDevice.GetInfo().Backend is "cuda";

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

    private ListeningSession BeginListening(string[] spoken, bool keepSound, CancellationToken cancellation)
    {
        var extras = (keepSound ? HearingExtras.Sound : 0) | (_options.Run.Prosody ? HearingExtras.Prosody : 0);
        return new ListeningSession(_models.Listener, spoken, extras, cancellation);
    }

    private IReadOnlyList<Hearing> EndListening(ListeningSession listening, int[][] codes, PhaseTimer timer)
    {
        var toOffer = Overlaps ? 0 : codes.Length;
        for (var i = 0; i < toOffer; i++)
        {
            listening.Offer(i, codes[i]);
        }

        var heard = timer.Measure("listen", listening.Complete);
        timer.Add("vocode", heard.VocodeSeconds);
        timer.Add("recognise", heard.RecogniseSeconds);
        timer.Add("prosody", heard.ProsodySeconds);
        return heard.Hearings;
    }

    private bool[] TakesPart(DrawnGroups drawn, bool[] flat)
    {
        // For REINFORCE++ a group is nothing: what all its samples earn is compared with the whole batch.
        var leavesOut = _options.Loss.MaskFlatGroups && _options.Loss.Advantage != AdvantageEstimator.ReinforcePlusPlus;
        return [.. drawn.Judged.Select((j, i) => !j.Masked && !(leavesOut && flat[i / drawn.GroupSize]))];
    }

    private float[] ReferenceLogProbs(PackedSequences packed)
    {
        if (_reference is not null)
        {
            return _update.LogProbs(_reference, packed);
        }

        Policy.Native.UseLora(false);
        try
        {
            return _update.LogProbs(Policy.Native, packed);
        }
        finally
        {
            Policy.Native.UseLora(true);
        }
    }
}
