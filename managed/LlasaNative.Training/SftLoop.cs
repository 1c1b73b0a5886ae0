namespace LlasaNative.Training;

/// <summary>Supervised training: cross-entropy of speech codes given their text.</summary>
/// <remarks>
/// Which utterances a step takes follows from its number alone, so that a run goes on inside an epoch as it would have.
/// <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it before its policy.
/// </remarks>
public sealed class SftLoop : ITrainingLoop, IDisposable
{
    /// <summary>Mean negative log-prob of a token of utterances that are not trained on.</summary>
    public const string HeldOutLoss = "evaluation/loss";

    private static readonly LossShape CrossEntropy = new(PolicyTerm.LogProb);
    private readonly SftOptions _options;
    private readonly IReadOnlyList<EncodedUtterance> _utterances;
    private readonly EpochOrder _order;
    private readonly HeadSettings _head;
    private readonly IWorld _world;

    /// <summary>Prepares a run.</summary>
    /// <param name="options">Validated options.</param>
    /// <param name="policy">Trained in place.</param>
    /// <param name="trainer">Trains it; disposed with this.</param>
    /// <param name="utterances">Texts with their codes, encoded for the policy; those of a step are asked for when it is taken.</param>
    /// <param name="world">Whose ranks share the steps, the trainer's; null = this process alone.</param>
    public SftLoop(SftOptions options, IPolicy policy, IPolicyTrainer trainer, IReadOnlyList<EncodedUtterance> utterances, IWorld? world = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(utterances);
        _options = options;
        _world = world ?? Ranks.Alone;
        _utterances = utterances;
        Policy = policy;
        _order = new EpochOrder(utterances.Count, Seeds.DataOrder(options.Run.Seed), options.Data.Shuffle);
        _head = new HeadSettings(1, options.Sft.SpeechOnly);
        Trainer = trainer;
    }

    /// <inheritdoc/>
    public IPolicy Policy { get; }

    /// <inheritdoc/>
    public IPolicyTrainer Trainer { get; }

    /// <inheritdoc/>
    public long DataPosition { get; set; }

    /// <inheritdoc/>
    public StepReport TakeStep(long number, bool keepSound, CancellationToken cancellation)
    {
        PhaseTimer timer = new();
        var first = (number - 1) * _options.Sft.BatchSize;
        // Of a run that is so many epochs long the last step takes what is left.
        var end = Math.Min(number * _options.Sft.BatchSize, _options.Sft.Epochs > 0 ? (long)_options.Sft.Epochs * _utterances.Count : long.MaxValue);
        DataPosition = end;
        EncodedUtterance[] batch = [.. Enumerable.Range(0, (int)(end - first)).Select(i => _utterances[_order[first + i]])];
        int[][] responses = [.. batch.Select(u => Policy.EncodeResponse(u.Utterance.Codes))];
        int[] mine = [.. Enumerable.Range(0, batch.Length).Take(_world.Share([.. responses.Select(r => (long)r.Length)]))];
        int[] rows = [.. mine.Select(i => batch[i].Prompt.Length - 1 + responses[i].Length)];
        var (order, count) = SequencePacking.Fill(rows, _options.Optimiser.MicroBatchTokens);
        PackedSequences packed = new();
        foreach (var i in order.Select(o => mine[o]))
        {
            packed.Add(batch[i].Prompt, responses[i]);
        }

        // The mean is over the tokens of all ranks.
        TokenTerms terms = new(
            [.. Enumerable.Repeat(1f, packed.ScoredTokens)],
            [.. Enumerable.Repeat((float)(1.0 / responses.Sum(r => r.Length)), packed.ScoredTokens)]);
        var stats = timer.Measure("gradient", () =>
            Trainer.Reduce(packed.Count == 0 ? new LossStats() : Trainer.Accumulate(packed, _head, terms, CrossEntropy, cancellation)));
        var rate = Schedules.LearningRate(_options.Optimiser, number, _options.Run.Steps);
        var update = timer.Measure("update", () => Trainer.Apply(rate));
        double[] work = _world.Join([rows.Sum(r => (double)r), count]);
        var microBatches = work.Where((_, i) => i % 2 == 1).Sum();
        MetricRow row = new(number);
        row.Add("sft/loss", stats.PolicyLoss).Add("sft/tokens", stats.Tokens).Add("sft/epoch", (double)end / _utterances.Count)
            .Add("sft/micro_batches", microBatches).Add("sft/filled", work.Where((_, i) => i % 2 == 0).Sum() / (microBatches * _options.Optimiser.MicroBatchTokens))
            .Add("policy/entropy", stats.EntropySum / Math.Max(stats.Tokens, 1))
            .Add("optimiser/learning_rate", rate).Add("optimiser/grad_norm", update.GradNorm).Add("optimiser/skipped", update.Skipped ? 1 : 0)
            .Add("seconds/gradient", timer["gradient"]).Add("seconds/update", timer["update"]).Add("seconds/step", timer.Total)
            .Add("speed/training_tokens_per_second", stats.ComputedTokens / Math.Max(timer["gradient"], 1e-9));
        var summary = string.Create(CultureInfo.InvariantCulture,
            $"loss {row["sft/loss"]:F4}  epoch {row["sft/epoch"]:F2}  norm {update.GradNorm:F2}  lr {rate:G3}  {row["speed/training_tokens_per_second"]:F0} tok/s");
        return new StepReport(row, summary, []);
    }

    /// <summary>What utterances that are not trained on come to under the weights as they are: the mean over their tokens, each given those before.</summary>
    /// <param name="held">At least one, encoded for the policy; as many as a step takes are in memory at once.</param>
    /// <param name="row">Receives <see cref="HeldOutLoss"/> and the number of tokens, of all ranks together.</param>
    /// <param name="cancellation">Honoured between batches.</param>
    public void Measure(IReadOnlyList<EncodedUtterance> held, MetricRow row, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(held);
        ArgumentNullException.ThrowIfNull(row);
        var (sum, tokens) = (0.0, 0.0);
        Policy.Gather();
        foreach (var batch in Enumerable.Range(0, held.Count).Take(_world.Share(held.Count)).Chunk(_options.Sft.BatchSize))
        {
            cancellation.ThrowIfCancellationRequested();
            PackedSequences packed = new();
            foreach (var utterance in batch.Select(i => held[i]))
            {
                packed.Add(utterance.Prompt, Policy.EncodeResponse(utterance.Utterance.Codes));
            }

            sum -= Policy.Score(packed, _head, _options.Optimiser.MicroBatchTokens).Sum(logProb => (double)logProb);
            tokens += packed.ScoredTokens;
        }

        double[] all = _world.Join([sum, tokens]);
        var count = all.Where((_, i) => i % 2 == 1).Sum();
        row.Add(HeldOutLoss, all.Where((_, i) => i % 2 == 0).Sum() / count).Add("evaluation/tokens", count);
    }

    /// <inheritdoc/>
    public void Dispose() => Trainer.Dispose();
}
