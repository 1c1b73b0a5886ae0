namespace LlasaNative.Interop;

/// <summary>Gradients and AdamW state of one policy.</summary>
/// <remarks>Shares its policy's thread: one at a time for policy, rollouts and trainers together.</remarks>
public sealed unsafe class NativeTrainer : IDisposable
{
    private readonly TrainerHandle _handle;

    /// <summary>Creates a trainer with zero gradients and moments.</summary>
    /// <param name="policy">The policy it trains; it may be disposed first.</param>
    /// <param name="options">From <see cref="NativeTrainerOptions.CreateDefault"/>.</param>
    /// <param name="world">Whose ranks train together: their gradients are added up and the moments shared out; null = this process alone.</param>
    public NativeTrainer(NativePolicy policy, in NativeTrainerOptions options, NativeWorld? world = null)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _handle = world is null ? Native.TrainerCreate(policy.Handle, options) : Native.TrainerCreateInWorld(world.Handle, policy.Handle, options);
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
    /// <param name="loss">What the policy term and the KL term are of.</param>
    /// <param name="terms">Advantages, weights and log-probs of the tokens.</param>
    /// <param name="logProbs">[N] receives the current log-probs; empty = not wanted.</param>
    /// <param name="progress">Told of tokens done, or null.</param>
    /// <param name="cancellation">Honoured within one micro-batch.</param>
    /// <returns>Sums over the tokens that count.</returns>
    /// <exception cref="OperationCanceledException">Cancelled; call <see cref="ZeroGradients"/> before going on.</exception>
    public NativeLossStats Accumulate(
        NativeTokenBatch batch, in NativeHeadOptions head, in NativeLossOptions loss, NativeTokenTerms terms,
        Span<float> logProbs = default, NativeProgress? progress = null, CancellationToken cancellation = default)
    {
        terms.Check(batch);
        Checks.OptionalLength(logProbs.Length, batch.ScoredTokens, nameof(logProbs));
        using var scope = new ProgressScope(progress, cancellation);
        var stats = NativeLossStats.Create();
        fixed (long* offsets = batch.Offsets)
        fixed (int* ids = batch.TokenIds)
        fixed (long* prompts = batch.PromptLengths)
        fixed (NativeHeadOptions* headPointer = &head)
        fixed (NativeLossOptions* lossPointer = &loss)
        fixed (float* advantages = terms.Advantages)
        fixed (float* policyWeights = terms.PolicyWeights)
        fixed (float* klWeights = terms.KlWeights)
        fixed (float* entropyWeights = terms.EntropyWeights)
        fixed (float* oldLogProbs = terms.OldLogProbs)
        fixed (float* refLogProbs = terms.RefLogProbs)
        fixed (float* policyCaps = terms.PolicyCaps)
        fixed (float* current = logProbs)
        {
            var rawBatch = batch.Raw(offsets, ids, prompts);
            var rawTerms = TokenTermsRaw.Create();
            rawTerms.Advantages = advantages;
            rawTerms.PolicyWeights = policyWeights;
            rawTerms.KlWeights = klWeights;
            rawTerms.EntropyWeights = entropyWeights;
            rawTerms.OldLogProbs = oldLogProbs;
            rawTerms.RefLogProbs = refLogProbs;
            rawTerms.PolicyCaps = policyCaps;
            scope.Check(NativeMethods.llasa_trainer_accumulate(
                _handle, &rawBatch, headPointer, lossPointer, &rawTerms, scope.Callback, scope.User, current, &stats));
        }

        return stats;
    }

    /// <summary>Adds up the gradients of all ranks, which must come before <see cref="Step"/> where there are several.</summary>
    public void Reduce() => Native.TrainerReduce(_handle);

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
