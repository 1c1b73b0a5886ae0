using LlasaNative.Interop;

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

    /// <summary>Prepares a generator.</summary>
    /// <param name="policy">Read at every call: new weights take effect at once.</param>
    /// <param name="slots">Sequences decoded at once.</param>
    /// <param name="maxSequenceTokens">Longest prompt and response; 0 = what the model allows.</param>
    public RolloutEngine(PolicyModel policy, int slots = 64, int maxSequenceTokens = 0)
    {
        ArgumentNullException.ThrowIfNull(policy);
        _policy = policy;
        var options = NativeRolloutOptions.CreateDefault();
        options.MaxSlots = slots;
        options.MaxSequenceTokens = maxSequenceTokens;
        _rollout = new NativeRollout(policy.Native, options);
    }

    /// <summary>Draws samples for each prompt.</summary>
    /// <param name="prompts">Token ids of each prompt.</param>
    /// <param name="samplesPerPrompt">Samples per prompt, at least 1.</param>
    /// <param name="settings">How tokens are drawn.</param>
    /// <param name="sequenceIds">Key of the random numbers of each sample; a sample does not depend on the others.</param>
    /// <param name="progress">Told of tokens drawn; may be null.</param>
    /// <param name="finished">Given index and speech codes of each sample as soon as it is finished, on the calling thread; may be null.</param>
    /// <param name="cancellation">Honoured within one token step.</param>
    public RolloutBatch Generate(
        IReadOnlyList<int[]> prompts, int samplesPerPrompt, SamplingSettings settings, ReadOnlySpan<ulong> sequenceIds,
        NativeProgress? progress = null, Action<int, int[]>? finished = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(settings);
        var offsets = new long[prompts.Count + 1];
        for (var p = 0; p < prompts.Count; p++)
        {
            offsets[p + 1] = offsets[p] + prompts[p].Length;
        }

        int[] ids = [.. prompts.SelectMany(p => p)];
        var result = _rollout.Generate(ToNative(settings), offsets, ids, samplesPerPrompt, sequenceIds, progress, Tell(), cancellation);
        return new RolloutBatch(prompts, samplesPerPrompt, result, _policy.Speech);

        Action<NativeRolloutResult, int>? Tell() =>
            finished is null ? null : (drawn, index) => finished(index, _policy.Speech.ExtractCodes(drawn.Tokens(index)));
    }

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
            var head = _policy.Head(1, speechOnly: true);
            (options.RestrictStart, options.RestrictEnd, options.RestrictExtra) = (head.RestrictStart, head.RestrictEnd, head.RestrictExtra);
        }

        return options;
    }
}
