using System.Globalization;
using LlasaNative.Data;
using LlasaNative.Reporting;

namespace LlasaNative.Training;

/// <summary>Supervised training: cross-entropy of speech codes given their text.</summary>
/// <remarks><b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it before its policy.</remarks>
public sealed class SftLoop : ITrainingLoop, IDisposable
{
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
    /// <param name="utterances">Texts with their codes, encoded for the policy.</param>
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
        PackedSequences packed = new();
        DataPosition = number * _options.Sft.BatchSize;
        EncodedUtterance[] batch = [.. Enumerable.Range(0, _options.Sft.BatchSize).Select(i => _utterances[_order[((number - 1) * _options.Sft.BatchSize) + i]])];
        int[][] responses = [.. batch.Select(u => Policy.EncodeResponse(u.Utterance.Codes))];
        foreach (var i in Enumerable.Range(0, batch.Length).Take(_world.Share([.. responses.Select(r => (long)r.Length)])))
        {
            packed.Add(batch[i].Prompt, responses[i]);
        }

        // The mean is over the tokens of all ranks.
        TokenTerms terms = new(Filled(packed.ScoredTokens, 1), Filled(packed.ScoredTokens, (float)(1.0 / responses.Sum(r => r.Length))));
        var stats = timer.Measure("gradient", () =>
            Trainer.Reduce(packed.Count == 0 ? new LossStats() : Trainer.Accumulate(packed, _head, terms, CrossEntropy, cancellation)));
        var rate = Schedules.LearningRate(_options.Optimiser, number, _options.Run.Steps);
        var update = timer.Measure("update", () => Trainer.Apply(rate));
        MetricRow row = new(number);
        row.Add("sft/loss", stats.PolicyLoss).Add("sft/tokens", stats.Tokens).Add("policy/entropy", stats.EntropySum / Math.Max(stats.Tokens, 1))
            .Add("optimiser/learning_rate", rate).Add("optimiser/grad_norm", update.GradNorm).Add("optimiser/skipped", update.Skipped ? 1 : 0)
            .Add("seconds/gradient", timer["gradient"]).Add("seconds/update", timer["update"]).Add("seconds/step", timer.Total)
            .Add("speed/training_tokens_per_second", stats.ComputedTokens / Math.Max(timer["gradient"], 1e-9));
        var summary = string.Create(CultureInfo.InvariantCulture,
            $"loss {row["sft/loss"]:F4}  norm {update.GradNorm:F2}  lr {rate:G3}  {row["speed/training_tokens_per_second"]:F0} tok/s");
        return new StepReport(row, summary, []);
    }

    /// <inheritdoc/>
    public void Dispose() => Trainer.Dispose();

    private static float[] Filled(int count, float value)
    {
        var values = new float[count];
        Array.Fill(values, value);
        return values;
    }
}
