namespace LlasaNative.Training;

/// <summary>From judged samples to losses: reference log-probs, advantages, epochs, mini-batches.</summary>
/// <param name="options">Validated options.</param>
/// <param name="kernel">Compares within groups.</param>
/// <param name="referenceLogProbs">Log-probs [N] of response tokens under the starting policy; null when it is not kept.</param>
/// <param name="world">Whose ranks share the updates.</param>
/// <remarks><b>Threads:</b> shares its policy's thread.</remarks>
internal sealed class PolicyUpdate(GrpoOptions options, IGroupKernel kernel, Func<PackedSequences, float[]>? referenceLogProbs, IWorld world)
{
    private readonly ILoss _loss = options.Loss.CreateLoss();

    /// <summary>How advantages are made.</summary>
    public IAdvantage Advantage { get; } = options.Loss.CreateAdvantage();

    /// <summary>Which distribution log-probs are of.</summary>
    public HeadSettings Head { get; } = new(options.Rollout.Temperature, options.Rollout.SpeechOnly);

    /// <summary>What the loss's numbers per token cannot say.</summary>
    public LossShape Shape => _loss.Shape;

    /// <summary>Takes from each sample's reward what the starting policy charges, if it is to: what a group's variance is judged by. Every rank calls it.</summary>
    /// <param name="drawn">The samples.</param>
    /// <param name="timer">Told how long it takes.</param>
    public DrawnGroups Charge(DrawnGroups drawn, PhaseTimer timer)
    {
        var loss = options.Loss;
        if (referenceLogProbs is not { } compute || loss is not { KlPlacement: KlPlacement.Reward, KlCoefficient: > 0 })
        {
            return drawn;
        }

        var packed = timer.Measure("reference", () => compute(drawn.Samples.Pack()));   // of no samples as well: IPolicy.CopyFrozen
        if (drawn.Judged.Length == 0)
        {
            return drawn;
        }

        var reference = new float[drawn.Samples.Count][];
        for (int b = 0, next = 0; b < reference.Length; next += reference[b++].Length)
        {
            reference[b] = packed[next..(next + drawn.Samples.Lengths[b])];
        }

        return drawn with
        {
            Reference = reference,
            Charges = [.. reference.Select((values, b) => Charges(drawn.Samples[b].LogProbs.Span, values).Sum())],
        };
    }

    /// <summary>⑧ Advantages, after what the reference charges.</summary>
    /// <param name="drawn">The samples, <see cref="Charge"/>d.</param>
    /// <param name="takesPart">[B] which of them count.</param>
    /// <param name="timer">Told how long it takes.</param>
    public Terms Compare(DrawnGroups drawn, bool[] takesPart, PhaseTimer timer)
    {
        var samples = drawn.Samples;
        TokenValues tokens = new(samples.Lengths);
        var old = tokens.All<float>((b, span) => samples[b].LogProbs.Span.CopyTo(span));
        float[] reference = drawn.Reference.Length > 0 ? [.. drawn.Reference.SelectMany(r => r)]
            : takesPart.Contains(true) && referenceLogProbs is not null ? timer.Measure("reference", () => Reference(samples)) : [];
        var charges = drawn.Charges.Length > 0 ? Charges(old, reference) : [];
        AdvantageBatch batch = new(Array.ConvertAll(drawn.Judged, j => j.Reward), drawn.GroupSize, takesPart, samples.Lengths, kernel)
        {
            Charges = charges,
            Parts = Array.ConvertAll(drawn.Judged, j => j.Breakdown.Parts),
        };
        // A judge's preferences are what counts where one was asked.
        var advantages = drawn.Pairs.Count > 0 ? new Advantages([.. drawn.Judged.Select((_, i) => (float)drawn.Preference(i))]) : timer.Measure("advantage", () => Advantage.Compute(batch));
        return new Terms(tokens, old, reference, advantages, takesPart);
    }

    /// <summary>Log-probs of all samples under the starting policy, each computed by one rank.</summary>
    private float[] Reference(RolloutBatch samples)
    {
        var own = Share(samples, [.. Enumerable.Range(0, samples.Count)]);
        return world.Join(referenceLogProbs!(samples.Pack(own)));
    }

    /// <summary>This rank's part of some samples, whole groups of about as many tokens as every other rank's.</summary>
    private int[] Share(RolloutBatch samples, int[] chosen)
    {
        int[][] groups = [.. chosen.Chunk(samples.SamplesPerPrompt)];
        return [.. groups[world.Share([.. groups.Select(g => g.Sum(i => (long)samples.Lengths[i]))])].SelectMany(g => g)];
    }

    private double[] Charges(ReadOnlySpan<float> old, ReadOnlySpan<float> reference)
    {
        var charges = new double[old.Length];
        for (var t = 0; t < charges.Length; t++)
        {
            charges[t] = options.Loss.KlCoefficient * Divergence.Estimate(options.Loss.KlEstimator, old[t], reference[t]);
        }

        return charges;
    }

    /// <summary>The parts of a step that become an update each: every epoch, every mini-batch. What takes part in none is counted and left out.</summary>
    /// <param name="number">Of the step.</param>
    /// <param name="drawn">The samples.</param>
    /// <param name="terms">What <see cref="Compare"/> made of them.</param>
    /// <param name="summary">Told of importance weights and empty updates.</param>
    /// <param name="timer">Told how long log-probs take.</param>
    /// <returns>Lazily: a later epoch is prepared after the updates of the one before.</returns>
    public IEnumerable<UpdatePart> Parts(long number, DrawnGroups drawn, Terms terms, UpdateSummary summary, PhaseTimer timer)
    {
        for (var epoch = 0; epoch < options.Update.Epochs; epoch++)
        {
            var importance = Importance(drawn.Samples, terms, summary);
            foreach (var groups in MiniBatches(number, epoch, drawn.Groups))
            {
                int[] chosen = [.. groups.SelectMany(g => Enumerable.Range(g * drawn.GroupSize, drawn.GroupSize))];
                if (chosen.Any(i => terms.TakesPart[i]))
                {
                    yield return Part(drawn.Samples, chosen, terms, importance, summary);
                }
                else
                {
                    summary.AddEmpty();
                }
            }
        }
    }

    /// <summary>Log-probs [N] of response tokens under some weights, as training computes them.</summary>
    public float[] LogProbs(IPolicy policy, PackedSequences packed) => policy.Score(packed, Head, options.Optimiser.MicroBatchTokens);

    /// <summary>The groups of each update; without shuffling or with one update in their own order, which decides the rounding.</summary>
    internal IEnumerable<int[]> MiniBatches(long step, int epoch, int groups)
    {
        var update = options.Update;
        var size = update.MiniBatchPrompts > 0 ? update.MiniBatchPrompts : groups;
        return size >= groups
            ? [[.. Enumerable.Range(0, groups)]]
            : Philox.Permutation(Seeds.UpdateOrder(options.Run.Seed), ((ulong)step * (ulong)update.Epochs) + (ulong)epoch, groups).Chunk(size);
    }

    private float[] Importance(RolloutBatch samples, Terms terms, UpdateSummary summary)
    {
        var loss = options.Loss;
        if (loss.Importance == ImportanceLevel.None)
        {
            return [];
        }

        var drawn = terms.Layout.All<float>((b, span) => samples[b].DrawLogProbs.Span.CopyTo(span));
        var weights = Divergence.ImportanceWeights(loss.Importance, loss.ImportanceCap, terms.Old, drawn, samples.Lengths, out var truncated);
        summary.Truncated += truncated;
        return weights;
    }

    private UpdatePart Part(RolloutBatch samples, int[] chosen, Terms terms, float[] importance, UpdateSummary summary)
    {
        var weights = terms.Layout.Of<float>(importance, chosen);
        LossBatch batch = new([.. chosen.Select(i => samples.Lengths[i])], [.. chosen.Select(i => terms.TakesPart[i])], terms.Advantages.OfTokens(terms.Layout, chosen))
        {
            OldLogProbs = terms.Layout.Of<float>(terms.Old, chosen),
            ReferenceLogProbs = terms.Layout.Of<float>(terms.Reference, chosen),
            Importance = weights,
            GroupSize = samples.SamplesPerPrompt,
            MaxTokens = options.Rollout.MaxNewTokens,
        };
        var tokens = _loss.Terms(batch);
        summary.AddImportance(weights, tokens.PolicyWeights);
        if (world.Size == 1)
        {
            return new UpdatePart(samples.Pack(chosen), tokens);
        }

        // The numbers are those of all samples of the update; each rank computes the gradient of its own.
        var own = Share(samples, chosen);
        var from = own.Length == 0 ? 0 : chosen.TakeWhile(i => i != own[0]).Sum(i => samples.Lengths[i]);
        return new UpdatePart(samples.Pack(own), tokens.Part(from, own.Sum(i => samples.Lengths[i])));
    }

    /// <summary>What every update of a step shares, by token.</summary>
    /// <param name="Layout">Which tokens are whose.</param>
    /// <param name="Old">[N] log-probs the tokens were drawn at.</param>
    /// <param name="Reference">[N] under the starting policy; empty when it is not kept.</param>
    /// <param name="Advantages">Of samples or tokens.</param>
    /// <param name="TakesPart">[B] which samples count.</param>
    public sealed record Terms(TokenValues Layout, float[] Old, float[] Reference, Advantages Advantages, bool[] TakesPart);

    /// <summary>What becomes one update.</summary>
    /// <param name="Sequences">This rank's samples.</param>
    /// <param name="Terms">Their loss.</param>
    public sealed record UpdatePart(PackedSequences Sequences, TokenTerms Terms);
}
