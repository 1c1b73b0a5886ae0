using CommunityToolkit.HighPerformance;

namespace LlasaNative.Interop;

/// <summary>Samples of a rollout; sample j of prompt p has index p * n + j.</summary>
/// <param name="count">Number of samples.</param>
/// <param name="maxNewTokens">Longest a sample can be, in tokens.</param>
public sealed class NativeRolloutResult(int count, int maxNewTokens)
{
    private readonly Memory2D<int> _tokens = new(new int[checked(count * maxNewTokens)], count, maxNewTokens);
    private readonly Memory2D<float> _logProbs = new(new float[checked(count * maxNewTokens)], count, maxNewTokens);
    private readonly Memory2D<float> _drawLogProbs = new(new float[checked(count * maxNewTokens)], count, maxNewTokens);
    private readonly int[] _lengths = new int[count];
    private readonly NativeFinishReason[] _finishReasons = new NativeFinishReason[count];

    /// <summary>Number of samples.</summary>
    public int Count => _lengths.Length;

    /// <summary>Longest a sample can be, in tokens.</summary>
    public int MaxNewTokens { get; } = maxNewTokens;

    /// <summary>[Count] tokens drawn, the stop token included.</summary>
    public ReadOnlySpan<int> Lengths => _lengths;

    /// <summary>[Count] why each sample ended.</summary>
    public ReadOnlySpan<NativeFinishReason> FinishReasons => _finishReasons;

    /// <summary>[Count, MaxNewTokens] tokens drawn; -1 behind the end of each sample.</summary>
    public ReadOnlyMemory2D<int> TokenRows => _tokens;

    /// <summary>[Count, MaxNewTokens] log-prob of each token; 0 behind the end of each sample.</summary>
    public ReadOnlyMemory2D<float> LogProbRows => _logProbs;

    /// <summary>[Count, MaxNewTokens] log of the probability each token was really drawn with; 0 behind the end of each sample.</summary>
    public ReadOnlyMemory2D<float> DrawLogProbRows => _drawLogProbs;

    internal NativeRolloutOutput Output => new()
    {
        Tokens = Flat(_tokens),
        LogProbs = Flat(_logProbs),
        DrawLogProbs = Flat(_drawLogProbs),
        Lengths = _lengths,
        FinishReasons = _finishReasons,
    };

    /// <summary>Tokens drawn for a sample, the stop token included.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<int> Tokens(int index) => _tokens.Span.GetRowSpan(index)[.._lengths[index]];

    /// <summary>Log-prob of each token of <see cref="Tokens"/>.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<float> LogProbs(int index) => _logProbs.Span.GetRowSpan(index)[.._lengths[index]];

    /// <summary>Log of the probability each token of <see cref="Tokens"/> was really drawn with, after top-k, top-p and min-p.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<float> DrawLogProbs(int index) => _drawLogProbs.Span.GetRowSpan(index)[.._lengths[index]];

    private static Span<T> Flat<T>(Memory2D<T> rows) =>
        rows.TryGetMemory(out var memory) ? memory.Span : throw new InvalidOperationException("rows are not contiguous");
}
