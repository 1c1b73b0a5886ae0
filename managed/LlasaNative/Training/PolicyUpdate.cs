using LlasaNative.Data;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>From judged samples to new weights: reference log-probs, advantages, epochs, mini-batches, optimiser updates.</summary>
/// <remarks><b>Threads:</b> shares its policy's thread.</remarks>
internal sealed class PolicyUpdate
{
    private readonly GrpoOptions _options;
    private readonly PolicyModel _policy;
    private readonly NativeTrainer _trainer;
    private readonly Func<PackedSequences, float[]>? _referenceLogProbs;
    private readonly NativeHeadOptions _head;
    private readonly ClippedLoss _loss;

    /// <param name="options">Validated options.</param>
    /// <param name="policy">Trained in place.</param>
    /// <param name="trainer">Its gradients and optimiser state.</param>
    /// <param name="referenceLogProbs">Log-probs [N] of response tokens under the starting policy; null when it is not kept.</param>
    public PolicyUpdate(GrpoOptions options, PolicyModel policy, NativeTrainer trainer, Func<PackedSequences, float[]>? referenceLogProbs)
    {
        _options = options;
        _policy = policy;
        _trainer = trainer;
        _referenceLogProbs = referenceLogProbs;
        _head = policy.Head(options.Rollout.Temperature, options.Rollout.SpeechOnly);
        _loss = new ClippedLoss(options.Loss);
    }

    /// <summary>Takes from each sample's reward what the starting policy charges, if it is to: what a group's variance is judged by.</summary>
    /// <param name="drawn">The samples.</param>
    /// <param name="timer">Told how long it takes.</param>
    public DrawnGroups Charge(DrawnGroups drawn, PhaseTimer timer)
    {
        var loss = _options.Loss;
        if (_referenceLogProbs is not { } compute || loss is not { KlPlacement: KlPlacement.Reward, KlCoefficient: > 0 })
        {
            return drawn;
        }

        var packed = timer.Measure("reference", () => compute(drawn.Samples.Pack()));
        var reference = new float[drawn.Samples.Count][];
        for (int b = 0, next = 0; b < reference.Length; next += reference[b++].Length)
        {
            reference[b] = packed[next..(next + drawn.Samples.Lengths[b])];
        }

        return drawn with
        {
            Reference = reference,
            Charges = [.. reference.Select((values, b) => Charges(drawn.Samples.LogProbs(b), values).Sum())],
        };
    }

    /// <summary>⑧ Advantages, after what the reference charges.</summary>
    /// <param name="drawn">The samples, <see cref="Charge"/>d.</param>
    /// <param name="takesPart">[B] which of them count.</param>
    /// <param name="timer">Told how long it takes.</param>
    public Terms Prepare(DrawnGroups drawn, bool[] takesPart, PhaseTimer timer)
    {
        var samples = drawn.Samples;
        TokenValues tokens = new(samples.Lengths);
        var old = tokens.All<float>((b, span) => samples.LogProbs(b).CopyTo(span));
        float[] reference = drawn.Reference.Length > 0 ? [.. drawn.Reference.SelectMany(r => r)]
            : takesPart.Contains(true) && _referenceLogProbs is { } compute ? timer.Measure("reference", () => compute(samples.Pack())) : [];
        var charges = drawn.Charges.Length > 0 ? Charges(old, reference) : [];
        var rewards = Array.ConvertAll(drawn.Judged, j => j.Reward);
        var advantages = timer.Measure("advantage", () => Advantages.Compute(_options.Loss, rewards, drawn.GroupSize, takesPart, samples.Lengths, charges));
        return new Terms(tokens, old, reference, advantages, takesPart);
    }

    private double[] Charges(ReadOnlySpan<float> old, ReadOnlySpan<float> reference)
    {
        var charges = new double[old.Length];
        for (var t = 0; t < charges.Length; t++)
        {
            charges[t] = _options.Loss.KlCoefficient * Divergence.Estimate(_options.Loss.KlEstimator, old[t], reference[t]);
        }

        return charges;
    }

    /// <summary>⑨ ⑩ Every epoch and mini-batch of a step.</summary>
    /// <param name="number">Of the step.</param>
    /// <param name="drawn">The samples.</param>
    /// <param name="terms">What <see cref="Prepare"/> made of them.</param>
    /// <param name="rate">Learning rate of the step.</param>
    /// <param name="timer">Told how long gradients and updates take.</param>
    /// <param name="cancellation">Honoured within one micro-batch.</param>
    public UpdateSummary Run(long number, DrawnGroups drawn, Terms terms, double rate, PhaseTimer timer, CancellationToken cancellation)
    {
        UpdateSummary summary = new();
        for (var epoch = 0; epoch < _options.Update.Epochs; epoch++)
        {
            var importance = Importance(drawn.Samples, terms, summary);
            foreach (var groups in MiniBatches(number, epoch, drawn.Groups))
            {
                int[] chosen = [.. groups.SelectMany(g => Enumerable.Range(g * drawn.GroupSize, drawn.GroupSize))];
                Update(drawn.Samples, chosen, terms, importance, rate, timer, summary, cancellation);
            }
        }

        return summary;
    }

    /// <summary>Log-probs [N] of response tokens under some weights, as training computes them.</summary>
    public float[] LogProbs(NativePolicy policy, PackedSequences packed)
    {
        var values = new float[packed.ScoredTokens];
        policy.LogProbs(packed.Batch, _head, values, microBatchTokens: _options.Optimiser.MicroBatchTokens);
        return values;
    }

    /// <summary>The groups of each update; without shuffling or with one update in their own order, which decides the rounding.</summary>
    internal IEnumerable<int[]> MiniBatches(long step, int epoch, int groups)
    {
        var update = _options.Update;
        var size = update.MiniBatchPrompts > 0 ? update.MiniBatchPrompts : groups;
        return size >= groups
            ? [[.. Enumerable.Range(0, groups)]]
            : (update.Shuffle
                ? Philox.Permutation(Seeds.UpdateOrder(_options.Run.Seed), ((ulong)step * (ulong)update.Epochs) + (ulong)epoch, groups)
                : [.. Enumerable.Range(0, groups)]).Chunk(size);
    }

    private float[] Importance(RolloutBatch samples, Terms terms, UpdateSummary summary)
    {
        var loss = _options.Loss;
        if (loss.Importance == ImportanceLevel.None)
        {
            return [];
        }

        var drawn = terms.Layout.All<float>((b, span) => samples.DrawLogProbs(b).CopyTo(span));
        var weights = Divergence.ImportanceWeights(loss.Importance, loss.ImportanceCap, terms.Old, drawn, samples.Lengths, out var truncated);
        summary.Truncated += truncated;
        return weights;
    }

    private void Update(
        RolloutBatch samples, int[] chosen, Terms terms, float[] importance, double rate, PhaseTimer timer, UpdateSummary summary,
        CancellationToken cancellation)
    {
        bool[] takesPart = [.. chosen.Select(i => terms.TakesPart[i])];
        if (!takesPart.Contains(true))
        {
            summary.AddEmpty();
            return;
        }

        int[] lengths = [.. chosen.Select(i => samples.Lengths[i])];
        var tokens = _loss.Terms(new LossBatch(lengths, takesPart, terms.Advantages.OfTokens(terms.Layout, chosen))
        {
            OldLogProbs = terms.Layout.Of<float>(terms.Old, chosen),
            ReferenceLogProbs = terms.Layout.Of<float>(terms.Reference, chosen),
            Importance = terms.Layout.Of<float>(importance, chosen),
            MaxTokens = _options.Rollout.MaxNewTokens,
        });
        summary.AddImportance(terms.Layout.Of<float>(importance, chosen), tokens.PolicyWeights);
        var stats = timer.Measure("gradient", () => _trainer.Accumulate(
            samples.Pack(chosen).Batch, _head, _loss.Shape.ToNative(), tokens.ToNative(), cancellation: cancellation));
        summary.Add(stats, timer.Measure("update", () => _trainer.Step((float)rate)));
    }

    /// <summary>What every update of a step shares, by token.</summary>
    /// <param name="Layout">Which tokens are whose.</param>
    /// <param name="Old">[N] log-probs the tokens were drawn at.</param>
    /// <param name="Reference">[N] under the starting policy; empty when it is not kept.</param>
    /// <param name="Advantages">Of samples or tokens.</param>
    /// <param name="TakesPart">[B] which samples count.</param>
    public sealed record Terms(TokenValues Layout, float[] Old, float[] Reference, Advantages Advantages, bool[] TakesPart);
}
