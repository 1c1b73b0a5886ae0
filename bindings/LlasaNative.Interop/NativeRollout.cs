namespace LlasaNative.Interop;

/// <summary>Continuous-batching generator over a policy, with its own key/value cache.</summary>
/// <remarks>Shares its policy's thread: one at a time for policy, rollouts and trainers together.</remarks>
public sealed unsafe class NativeRollout : IDisposable
{
    private readonly RolloutHandle _handle;

    /// <summary>Creates a generator that reads the policy's current weights at every call.</summary>
    /// <param name="policy">The policy; it may be disposed first.</param>
    /// <param name="options">From <see cref="NativeRolloutOptions.CreateDefault"/>.</param>
    public NativeRollout(NativePolicy policy, in NativeRolloutOptions options)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _handle = Native.RolloutCreate(policy.Handle, options);
    }

    /// <summary>Draws samples for each prompt into the caller's arrays.</summary>
    /// <param name="sampling">How tokens are drawn; M = its MaxNewTokens.</param>
    /// <param name="promptOffsets">[P+1] start of each prompt.</param>
    /// <param name="promptIds">[promptOffsets[P]] ids.</param>
    /// <param name="samplesPerPrompt">n, at least 1.</param>
    /// <param name="sequenceIds">[P*n] keys of the random numbers; empty = 0, 1, 2, ...</param>
    /// <param name="output">Arrays of P*n samples.</param>
    /// <param name="progress">Told of tokens drawn, or null.</param>
    /// <param name="finished">Told on the calling thread of each sample whose rows of the output are final, once, in the order they finish; or null.</param>
    /// <param name="cancellation">Honoured within one token step.</param>
    /// <exception cref="OperationCanceledException">Cancelled; the outputs are then undefined.</exception>
    public void Generate(
        in NativeSamplingOptions sampling, ReadOnlySpan<long> promptOffsets, ReadOnlySpan<int> promptIds, int samplesPerPrompt,
        ReadOnlySpan<ulong> sequenceIds, NativeRolloutOutput output, NativeProgress? progress = null, Action<long>? finished = null,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samplesPerPrompt, 1);
        var prompts = Checks.ItemCount(promptOffsets, nameof(promptOffsets));
        Checks.Length(promptIds.Length, Checks.Offsets(promptOffsets, nameof(promptOffsets)), nameof(promptIds));
        var samples = checked(prompts * samplesPerPrompt);
        Checks.OptionalLength(sequenceIds.Length, samples, nameof(sequenceIds));
        output.Check(samples, sampling.MaxNewTokens);

        using var scope = new ProgressScope(progress, cancellation, finished);
        fixed (NativeSamplingOptions* samplingPointer = &sampling)
        fixed (long* offsets = promptOffsets)
        fixed (int* ids = promptIds)
        fixed (ulong* keys = sequenceIds)
        fixed (int* tokens = output.Tokens)
        fixed (float* logProbs = output.LogProbs)
        fixed (float* drawLogProbs = output.DrawLogProbs)
        fixed (int* lengths = output.Lengths)
        fixed (NativeFinishReason* reasons = output.FinishReasons)
        {
            var request = RolloutRequestRaw.Create();
            request.SamplesPerPrompt = samplesPerPrompt;
            request.NumPrompts = prompts;
            request.PromptOffsets = offsets;
            request.PromptIds = ids;
            request.SequenceIds = keys;
            request.Progress = scope.Callback;
            request.ProgressUser = scope.User;
            request.Finished = scope.FinishedCallback;
            request.FinishedUser = scope.User;
            var result = RolloutResultRaw.Create();
            result.Tokens = tokens;
            result.LogProbs = logProbs;
            result.DrawLogProbs = drawLogProbs;
            result.Lengths = lengths;
            result.FinishReasons = (int*)reasons;
            scope.Check(NativeMethods.llasa_rollout_generate(_handle, samplingPointer, &request, &result));
        }
    }

    /// <summary>Draws a sample for each prompt of a feed, to which prompts may be added while it runs; ends when nothing is left to draw.</summary>
    /// <param name="sampling">How tokens are drawn; its MaxNewTokens is the feed's.</param>
    /// <param name="feed">The prompts that are there, and room for others.</param>
    /// <param name="look">Called on the calling thread before samples join, and so whenever tokens were drawn; may add prompts and end samples.</param>
    /// <param name="finished">Told on the calling thread of each sample that ended.</param>
    /// <param name="cancellation">Honoured within one token step.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Generate(in NativeSamplingOptions sampling, NativeRolloutFeed feed, Action look, Action<int> finished, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(feed);
        ArgumentNullException.ThrowIfNull(look);
        ArgumentNullException.ThrowIfNull(finished);
        ArgumentOutOfRangeException.ThrowIfNotEqual(sampling.MaxNewTokens, feed.MaxNewTokens, nameof(sampling));
        using var scope = new ProgressScope(null, cancellation, index => finished((int)index), () =>
        {
            look();
            return feed.Count;
        });
        fixed (NativeSamplingOptions* samplingPointer = &sampling)
        fixed (long* offsets = feed.Offsets)
        fixed (int* ids = feed.PromptIds)
        fixed (ulong* keys = feed.SequenceIds)
        fixed (int* limits = feed.Limits)
        fixed (int* tokens = feed.Tokens)
        fixed (float* logProbs = feed.LogProbs)
        fixed (int* lengths = feed.Lengths)
        fixed (int* reasons = feed.FinishReasons)
        {
            var request = RolloutRequestRaw.Create();
            request.SamplesPerPrompt = 1;
            request.NumPrompts = feed.Capacity;
            request.PromptOffsets = offsets;
            request.PromptIds = ids;
            request.SequenceIds = keys;
            request.Progress = scope.Callback;
            request.ProgressUser = scope.User;
            request.Finished = scope.FinishedCallback;
            request.FinishedUser = scope.User;
            request.Arrived = scope.ArrivedCallback;
            request.ArrivedUser = scope.User;
            request.SampleLimits = limits;
            var result = RolloutResultRaw.Create();
            result.Tokens = tokens;
            result.LogProbs = logProbs;
            result.Lengths = lengths;
            result.FinishReasons = reasons;
            scope.Check(NativeMethods.llasa_rollout_generate(_handle, samplingPointer, &request, &result));
        }
    }

    /// <summary>Draws samples for each prompt into new arrays.</summary>
    /// <inheritdoc cref="Generate(in NativeSamplingOptions, ReadOnlySpan{long}, ReadOnlySpan{int}, int, ReadOnlySpan{ulong}, NativeRolloutOutput, NativeProgress?, Action{long}?, CancellationToken)"/>
    public NativeRolloutResult Generate(
        in NativeSamplingOptions sampling, ReadOnlySpan<long> promptOffsets, ReadOnlySpan<int> promptIds, int samplesPerPrompt,
        ReadOnlySpan<ulong> sequenceIds = default, NativeProgress? progress = null, Action<NativeRolloutResult, int>? finished = null,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samplesPerPrompt, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(sampling.MaxNewTokens, 1, nameof(sampling));
        var prompts = Checks.ItemCount(promptOffsets, nameof(promptOffsets));
        var result = new NativeRolloutResult(checked((int)(prompts * samplesPerPrompt)), sampling.MaxNewTokens);
        Generate(sampling, promptOffsets, promptIds, samplesPerPrompt, sequenceIds, result.Output, progress, finished is null ? null : index => finished(result, (int)index), cancellation);
        return result;
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();
}
