namespace LlasaNative.Models;

/// <summary>Draws speech from a policy, many sequences at once.</summary>
/// <remarks>
/// A whole batch is one native call, so nothing is allocated per token on the managed side. <b>Threads:</b> shares its
/// policy's thread. <b>Lifetime:</b> dispose it.
/// </remarks>
public sealed class RolloutEngine : IDisposable
{
    private readonly PolicyModel _policy;
    private readonly NativeRollout _rollout;
    private readonly int _slots;

    /// <summary>Prepares a generator.</summary>
    /// <param name="policy">Read at every call: new weights take effect at once.</param>
    /// <param name="slots">Sequences decoded at once.</param>
    /// <param name="maxSequenceTokens">Longest prompt and response; 0 = what the model allows.</param>
    public RolloutEngine(PolicyModel policy, int slots = 64, int maxSequenceTokens = 0)
    {
        ArgumentNullException.ThrowIfNull(policy);
        (_policy, _slots) = (policy, slots);
        var options = NativeRolloutOptions.CreateDefault();
        options.MaxSlots = slots;
        options.MaxSequenceTokens = maxSequenceTokens;
        _rollout = new NativeRollout(policy.Native, options);
    }

    /// <summary>Draws samples for each prompt.</summary>
    /// <param name="request">To which prompts, how.</param>
    /// <param name="cancellation">Honoured within one token step.</param>
    public RolloutBatch Generate(SampleRequest request, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        var offsets = WaveBatch.OffsetsOf(request.Prompts.Select(prompt => prompt.Length));
        int[] ids = [.. request.Prompts.SelectMany(p => p)];
        var result = _rollout.Generate(ToNative(request.Settings), offsets, ids, request.SamplesPerPrompt, request.Ids, null, Tell(), cancellation);
        return new RolloutBatch(request.Prompts, [.. Enumerable.Range(0, result.Count).Select(i => new DrawnResponse(
            result.Tokens(i).ToArray(), result.LogProbs(i).ToArray(), result.DrawLogProbs(i).ToArray(), result.FinishReasons[i] == NativeFinishReason.Stop))]);

        Action<NativeRolloutResult, int>? Tell() =>
            request.Finished is not { } finished ? null : (drawn, index) => finished(index, _policy.ReadCodes(drawn.Tokens(index)));
    }

    /// <summary>Draws a response to each prompt of a feed, to which prompts may be added while it runs.</summary>
    /// <param name="settings">How tokens are drawn; the longest response is the feed's.</param>
    /// <param name="feed">The prompts that are there, and room for others.</param>
    /// <param name="look">As in <see cref="NativeRollout"/>: may add prompts and end samples.</param>
    /// <param name="finished">Told of each sample that ended.</param>
    /// <param name="cancellation">Honoured within one token step.</param>
    public void Generate(SamplingSettings settings, NativeRolloutFeed feed, Action look, Action<int> finished, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _rollout.Generate(ToNative(settings), feed, look, finished, cancellation);
    }

    /// <summary>Whether it is the right one for a request.</summary>
    internal bool Fits(SampleRequest request) => request.Slots == _slots;

    /// <inheritdoc/>
    public void Dispose() => _rollout.Dispose();

    private NativeSamplingOptions ToNative(SamplingSettings settings)
    {
        var options = NativeSamplingOptions.CreateDefault();
        options.Temperature = (float)settings.Temperature;
        options.TopK = settings.TopK;
        options.TopP = (float)settings.TopP;
        options.StopToken = _policy.Speech.End;
        options.MaxNewTokens = settings.MaxNewTokens;
        options.Seed = settings.Seed;
        if (settings.SpeechOnly)
        {
            var head = _policy.ToNative(new HeadSettings(1, SpeechOnly: true));
            (options.RestrictStart, options.RestrictEnd, options.RestrictExtra) = (head.RestrictStart, head.RestrictEnd, head.RestrictExtra);
        }

        return options;
    }
}
