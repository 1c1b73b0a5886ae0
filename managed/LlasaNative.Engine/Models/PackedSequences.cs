using LlasaNative.Interop;

namespace LlasaNative.Models;

/// <summary>Prompts and responses packed one after another, with the log-probs the responses were drawn at.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
public sealed class PackedSequences
{
    private readonly List<long> _offsets = [0];
    private readonly List<int> _tokens = [];
    private readonly List<long> _promptLengths = [];
    private readonly List<float> _logProbs = [];

    /// <summary>Number of sequences.</summary>
    public int Count => _promptLengths.Count;

    /// <summary>Response tokens in all, N.</summary>
    public int ScoredTokens => _logProbs.Count;

    /// <summary>[N] log-probs the responses were drawn at.</summary>
    public ReadOnlySpan<float> LogProbs => System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_logProbs);

    /// <summary>The batch as native functions read it; valid until the next <see cref="Add"/>.</summary>
    public NativeTokenBatch Batch => new(
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_offsets),
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokens),
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_promptLengths));

    /// <summary>Appends a sequence.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="response">Tokens that are scored.</param>
    /// <param name="logProbs">Log-prob of each response token; empty = unknown, counted as 0.</param>
    public void Add(ReadOnlySpan<int> prompt, ReadOnlySpan<int> response, ReadOnlySpan<float> logProbs = default)
    {
        _tokens.AddRange(prompt);
        _tokens.AddRange(response);
        _offsets.Add(_tokens.Count);
        _promptLengths.Add(prompt.Length);
        for (var i = 0; i < response.Length; i++)
        {
            _logProbs.Add(logProbs.IsEmpty ? 0 : logProbs[i]);
        }
    }
}
