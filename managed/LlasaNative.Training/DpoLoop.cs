namespace LlasaNative.Training;

/// <summary>Training on preferences: of two ways of saying a text, the policy is to find the chosen one the more likely.</summary>
/// <remarks>
/// A step asks the policy and its reference for the log-probs of its pairs, which decide one number per response (<see cref="PreferenceLoss"/>),
/// and adds up the gradient of log-probs weighed by it. <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it before its policy.
/// </remarks>
public sealed class DpoLoop : ITrainingLoop, IDisposable
{
    private readonly DpoOptions _options;
    private readonly IReadOnlyList<EncodedPair> _pairs;
    private readonly EpochOrder _order;
    private readonly HeadSettings _head;
    private readonly PreferenceLoss _loss;
    private readonly ReferencePolicy? _reference;

    /// <summary>Prepares a run.</summary>
    /// <param name="options">Validated options.</param>
    /// <param name="policy">Trained in place; as it is now it is the reference.</param>
    /// <param name="trainer">Trains it; disposed with this.</param>
    /// <param name="pairs">Texts with their preferences, encoded for the policy.</param>
    public DpoLoop(DpoOptions options, IPolicy policy, IPolicyTrainer trainer, IReadOnlyList<EncodedPair> pairs)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(pairs);
        (_options, Policy, Trainer, _pairs) = (options, policy, trainer, pairs);
        _order = new EpochOrder(pairs.Count, Seeds.DataOrder(options.Run.Seed), options.Data.Shuffle);
        _head = new HeadSettings(1, options.Dpo.SpeechOnly);
        _loss = new PreferenceLoss(options.Dpo);
        _reference = options.Dpo.KeepsReference ? new ReferencePolicy(policy, options.Dpo.Reference) : null;
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
        var first = (number - 1) * _options.Dpo.BatchSize;
        DataPosition = number * _options.Dpo.BatchSize;
        var (packed, preferences) = Compare([.. Enumerable.Range(0, _options.Dpo.BatchSize).Select(i => _pairs[_order[first + i]])], timer, cancellation);
        var stats = timer.Measure("gradient", () => Trainer.Reduce(Trainer.Accumulate(packed, _head, preferences.Terms, PreferenceLoss.Shape, cancellation)));
        var rate = Schedules.LearningRate(_options.Optimiser, number, _options.Run.Steps);
        var update = timer.Measure("update", () => Trainer.Apply(rate));
        MetricRow row = new(number);
        preferences.AddTo(row, "dpo");
        row.Add("dpo/tokens", stats.Tokens).Add("policy/entropy", stats.EntropySum / Math.Max(stats.Tokens, 1))
            .Add("optimiser/learning_rate", rate).Add("optimiser/grad_norm", update.GradNorm).Add("optimiser/skipped", update.Skipped ? 1 : 0);
        foreach (var (phase, seconds) in timer.Phases)
        {
            row.Add($"seconds/{phase}", seconds);
        }

        row.Add("seconds/step", timer.Total).Add("speed/training_tokens_per_second", stats.ComputedTokens / Math.Max(timer["gradient"], 1e-9));
        var summary = string.Create(CultureInfo.InvariantCulture,
            $"loss {preferences.Loss:F4}  accuracy {preferences.Accuracy:P0}  margin {preferences.Margin:F3}{(preferences.HasReference ? $"  KL {preferences.Kl:G3}" : "")}  norm {update.GradNorm:F2}  lr {rate:G3}");
        return new StepReport(row, summary, []);
    }

    /// <summary>What pairs that are not trained on come to under the weights as they are.</summary>
    /// <param name="pairs">At least one, encoded for the policy.</param>
    /// <param name="cancellation">Honoured between the policy's pass and its reference's.</param>
    public PreferenceTerms Measure(IReadOnlyList<EncodedPair> pairs, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        return Compare(pairs, new PhaseTimer(), cancellation).Terms;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trainer.Dispose();
        _reference?.Dispose();
    }

    private (PackedSequences Packed, PreferenceTerms Terms) Compare(IReadOnlyList<EncodedPair> pairs, PhaseTimer timer, CancellationToken cancellation)
    {
        PackedSequences packed = new();
        List<int> lengths = [];
        foreach (var (pair, prompt) in pairs)
        {
            foreach (var codes in new[] { pair.Chosen, pair.Rejected })
            {
                var response = Policy.EncodeResponse(codes);
                packed.Add(prompt, response);
                lengths.Add(response.Length);
            }
        }

        float[] Score(IPolicy policy)
        {
            cancellation.ThrowIfCancellationRequested();
            return policy.Score(packed, _head, _options.Optimiser.MicroBatchTokens);
        }

        var logProbs = timer.Measure("policy", () => Score(Policy));
        var reference = _reference is null ? [] : timer.Measure("reference", () => _reference.LogProbs(Score));
        cancellation.ThrowIfCancellationRequested();
        return (packed, _loss.Of(lengths, logProbs, reference));
    }
}
