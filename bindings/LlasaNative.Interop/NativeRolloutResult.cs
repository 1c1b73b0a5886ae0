namespace LlasaNative.Interop;

/// <summary>Samples of a rollout; sample j of prompt p has index p * n + j.</summary>
/// <param name="count">Number of samples.</param>
/// <param name="maxNewTokens">Longest a sample can be, in tokens.</param>
public sealed class NativeRolloutResult(int count, int maxNewTokens)
{
    private readonly int[] _tokens = new int[checked(count * maxNewTokens)];
    private readonly float[] _logProbs = new float[checked(count * maxNewTokens)];
    private readonly float[] _drawLogProbs = new float[checked(count * maxNewTokens)];
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

    internal NativeRolloutOutput Output => new()
    {
        Tokens = _tokens,
        LogProbs = _logProbs,
        DrawLogProbs = _drawLogProbs,
        Lengths = _lengths,
        FinishReasons = _finishReasons,
    };

    /// <summary>Tokens drawn for a sample, the stop token included.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<int> Tokens(int index) => _tokens.AsSpan(index * MaxNewTokens, _lengths[index]);

    /// <summary>Log-prob of each token of <see cref="Tokens"/>.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<float> LogProbs(int index) => _logProbs.AsSpan(index * MaxNewTokens, _lengths[index]);

    /// <summary>Log of the probability each token of <see cref="Tokens"/> was really drawn with, after top-k, top-p and min-p.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<float> DrawLogProbs(int index) => _drawLogProbs.AsSpan(index * MaxNewTokens, _lengths[index]);
}
