namespace LlasaNative.Models;

/// <summary>Gradients and AdamW of a policy, by the native library.</summary>
/// <remarks><b>Threads:</b> its policy's. <b>Lifetime:</b> dispose it; it keeps the policy's weights alive by itself.</remarks>
/// <param name="policy">Trained in place; an adapter must be attached before.</param>
/// <param name="options">Validated options.</param>
/// <param name="world">Whose ranks train together, each with its share of the moments; null = this process alone.</param>
/// <param name="shardWeights">Whether each of several ranks has its share of weights and gradients alone, too.</param>
public sealed class NativePolicyTrainer(PolicyModel policy, OptimiserOptions options, ProcessWorld? world = null, bool shardWeights = false) : IPolicyTrainer
{
    private readonly NativeTrainer _trainer = Create(policy, options, world, shardWeights);

    /// <inheritdoc/>
    public long StepCount
    {
        get => _trainer.StepCount;
        set => _trainer.StepCount = value;
    }

    /// <inheritdoc/>
    public LossStats Accumulate(PackedSequences sequences, HeadSettings head, TokenTerms terms, LossShape shape, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        ArgumentNullException.ThrowIfNull(head);
        ArgumentNullException.ThrowIfNull(terms);
        ArgumentNullException.ThrowIfNull(shape);
        return _trainer.Accumulate(sequences.ToNative(), policy.ToNative(head), shape.ToNative(), terms.ToNative(), cancellation: cancellation).ToPort();
    }

    /// <inheritdoc/>
    public LossStats Reduce(LossStats stats)
    {
        ArgumentNullException.ThrowIfNull(stats);
        if (world is null || world.Size == 1)
        {
            return stats;
        }

        _trainer.Reduce();
        var mine = stats.ToNumbers();
        return LossStats.OfRanks([.. world.Join(mine).Chunk(mine.Length)]);
    }

    /// <inheritdoc/>
    public UpdateStats Apply(double rate)
    {
        var stats = _trainer.Step((float)rate);
        return new UpdateStats(stats.GradNorm, stats.GradScale, stats.Skipped != 0);
    }

    /// <inheritdoc/>
    public void ReadState(OptimiserState kind, string name, Span<float> values) => _trainer.GetState(kind.ToNative(), name, values);

    /// <inheritdoc/>
    public void WriteState(OptimiserState kind, string name, ReadOnlySpan<float> values) => _trainer.SetState(kind.ToNative(), name, values);

    /// <inheritdoc/>
    public void Dispose() => _trainer.Dispose();

    private static NativeTrainer Create(PolicyModel policy, OptimiserOptions options, ProcessWorld? world, bool shardWeights)
    {
        var native = options.ToNative();
        native.ShardWeights = shardWeights ? 1 : 0;
        NativeTrainer trainer = new(policy.Native, native, world?.Native);
        policy.SharedOver ??= shardWeights && world?.Size > 1 ? world : null;
        return trainer;
    }
}
