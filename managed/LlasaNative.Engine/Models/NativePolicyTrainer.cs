using LlasaNative.Interop;
using LlasaNative.Training;

namespace LlasaNative.Models;

/// <summary>Gradients and AdamW of a policy, by the native library.</summary>
/// <remarks><b>Threads:</b> its policy's. <b>Lifetime:</b> dispose it; it keeps the policy's weights alive by itself.</remarks>
/// <param name="policy">Trained in place; an adapter must be attached before.</param>
/// <param name="options">Validated options.</param>
public sealed class NativePolicyTrainer(PolicyModel policy, OptimiserOptions options) : IPolicyTrainer
{
    private readonly NativeTrainer _trainer = new(policy.Native, options.ToNative());

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
}
