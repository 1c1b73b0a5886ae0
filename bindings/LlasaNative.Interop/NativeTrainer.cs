namespace LlasaNative.Interop;

/// <summary>Gradients and AdamW state of one policy.</summary>
/// <remarks>Shares its policy's thread: one at a time for policy, rollouts and trainers together.</remarks>
public sealed unsafe class NativeTrainer : IDisposable
{
    private readonly TrainerHandle _handle;

    /// <summary>Creates a trainer with zero gradients and moments.</summary>
    /// <param name="policy">The policy it trains; it may be disposed first.</param>
    /// <param name="options">From <see cref="NativeTrainerOptions.CreateDefault"/>.</param>
    public NativeTrainer(NativePolicy policy, in NativeTrainerOptions options)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _handle = Native.TrainerCreate(policy.Handle, options);
    }

    /// <summary>Optimiser steps taken; set it when resuming.</summary>
    public long StepCount
    {
        get => Native.TrainerGetStep(_handle);
        set => Native.TrainerSetStep(_handle, value);
    }

    /// <summary>Forward and backward over a batch, in micro-batches; adds to the gradients.</summary>
    /// <param name="batch">The sequences.</param>
    /// <param name="head">Temperature and allowed ids, as when the samples were drawn.</param>
    /// <param name="loss">The loss, with the totals of the whole step.</param>
    /// <param name="inputs">Advantages, old and reference log-probs, mask.</param>
    /// <param name="logProbs">[N] receives the current log-probs; empty = not wanted.</param>
    /// <param name="progress">Told of tokens done, or null.</param>
    /// <param name="cancellation">Honoured within one micro-batch.</param>
    /// <returns>Sums over the unmasked tokens.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; call <see cref="ZeroGradients"/> before going on.</exception>
    public NativeLossStats Accumulate(
        NativeTokenBatch batch, in NativeHeadOptions head, in NativeLossOptions loss, NativeLossInputs inputs,
        Span<float> logProbs = default, NativeProgress? progress = null, CancellationToken cancellation = default)
    {
        inputs.Check(batch);
        Checks.OptionalLength(logProbs.Length, batch.ScoredTokens, nameof(logProbs));
        using var scope = new ProgressScope(progress, cancellation);
        var stats = NativeLossStats.Create();
        fixed (long* offsets = batch.Offsets)
        fixed (int* ids = batch.TokenIds)
        fixed (long* prompts = batch.PromptLengths)
        fixed (NativeHeadOptions* headPointer = &head)
        fixed (NativeLossOptions* lossPointer = &loss)
        fixed (float* advantages = inputs.Advantages)
        fixed (float* oldLogProbs = inputs.OldLogProbs)
        fixed (float* refLogProbs = inputs.RefLogProbs)
        fixed (byte* mask = inputs.Mask)
        fixed (float* tokenAdvantages = inputs.TokenAdvantages)
        fixed (float* importance = inputs.ImportanceWeights)
        fixed (float* current = logProbs)
        {
            var rawBatch = batch.Raw(offsets, ids, prompts);
            var rawInputs = LossInputsRaw.Create();
            rawInputs.Advantages = advantages;
            rawInputs.OldLogProbs = oldLogProbs;
            rawInputs.RefLogProbs = refLogProbs;
            rawInputs.Mask = mask;
            rawInputs.TokenAdvantages = tokenAdvantages;
            rawInputs.ImportanceWeights = importance;
            scope.Check(NativeMethods.llasa_trainer_accumulate(
                _handle, &rawBatch, headPointer, lossPointer, &rawInputs, scope.Callback, scope.User, current, &stats));
        }

        return stats;
    }

    /// <summary>One AdamW step with the accumulated gradients, which are then cleared.</summary>
    /// <param name="learningRate">Of this step.</param>
    /// <returns>Gradient norm, and whether the step was skipped because a gradient was not finite.</returns>
    public NativeStepStats Step(float learningRate) => Native.TrainerStep(_handle, learningRate);

    /// <summary>Throws the accumulated gradients away.</summary>
    public void ZeroGradients() => Native.TrainerZeroGrad(_handle);

    /// <summary>Copies out the gradient or a moment of a parameter.</summary>
    /// <param name="kind">Which array.</param>
    /// <param name="name">Hugging Face name of the parameter.</param>
    /// <param name="destination">Exactly its elements.</param>
    public void GetState(NativeTrainerState kind, string name, Span<float> destination) =>
        Native.TrainerGetState(_handle, kind, name, destination);

    /// <summary>Copies in the gradient or a moment of a parameter.</summary>
    /// <param name="kind">Which array.</param>
    /// <param name="name">Hugging Face name of the parameter.</param>
    /// <param name="source">Exactly its elements.</param>
    public void SetState(NativeTrainerState kind, string name, ReadOnlySpan<float> source) =>
        Native.TrainerSetState(_handle, kind, name, source);

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();
}
