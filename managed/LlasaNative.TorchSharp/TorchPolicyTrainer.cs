namespace LlasaNative.Torch;

/// <summary>The trainer's port by TorchSharp: gradients by autograd and AdamW by torch, on the policy's own weights.</summary>
/// <remarks>On the CPU. <b>Threads:</b> its policy's. <b>Lifetime:</b> dispose it before its policy.</remarks>
/// <example>
/// <code>
/// using TorchPolicyTrainer trainer = new((PolicyModel)models.Policy, new TrainerSettings(options.Optimiser, options.Lora, options.Run.Seed));
/// using GrpoLoop loop = new(options, models, trainer, new NativeGroupKernel(), texts);
/// </code>
/// </example>
public sealed class TorchPolicyTrainer : IPolicyTrainer
{
    private readonly PolicyModel _policy;
    private readonly TorchTrainer _trainer;

    /// <summary>Creates a trainer with zero gradients and moments.</summary>
    /// <param name="policy">Trained in place; an adapter must be attached before.</param>
    /// <param name="settings">Validated options of the run.</param>
    /// <exception cref="NotSupportedException">The policy is not on the CPU.</exception>
    public TorchPolicyTrainer(PolicyModel policy, TrainerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(policy);
        ArgumentNullException.ThrowIfNull(settings);
        var (optimiser, lora) = (settings.Optimiser, settings.Lora);
        _policy = policy;
        _trainer = new TorchTrainer(policy.Native, policy.Config, new TorchTrainerOptions
        {
            Beta1 = optimiser.Beta1,
            Beta2 = optimiser.Beta2,
            WeightDecay = optimiser.WeightDecay,
            MaxGradNorm = optimiser.MaxGradNorm,
            Recompute = optimiser.Recompute == Recompute.True,
            MicroBatchTokens = optimiser.MicroBatchTokens,
            AdapterScale = lora.Enabled ? lora.Alpha / lora.Rank : 1,
            AdapterDropout = lora.Enabled ? lora.Dropout : 0,
            DropoutSeed = Seeds.Adapter(settings.Seed),
        });
    }

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
        return _trainer.Accumulate(sequences.ToNative(), _policy.ToNative(head), shape.ToNative(), terms.ToNative(), cancellation: cancellation).ToPort();
    }

    /// <inheritdoc/>
    public UpdateStats Apply(double rate)
    {
        var stats = _trainer.Step(rate);
        return new UpdateStats(stats.GradNorm, stats.GradScale, stats.Skipped != 0);
    }

    /// <inheritdoc/>
    public void ReadState(OptimiserState kind, string name, Span<float> values) => _trainer.GetState(kind.ToNative(), name, values);

    /// <inheritdoc/>
    public void WriteState(OptimiserState kind, string name, ReadOnlySpan<float> values) => _trainer.SetState(kind.ToNative(), name, values);

    /// <inheritdoc/>
    public void Dispose() => _trainer.Dispose();
}
