using LlasaNative.Interop;

namespace LlasaNative.Models;

/// <summary>Prompts and responses packed one after another.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
public sealed class PackedSequences
{
    private readonly List<long> _offsets = [0];
    private readonly List<int> _tokens = [];
    private readonly List<long> _promptLengths = [];

    /// <summary>Number of sequences.</summary>
    public int Count => _promptLengths.Count;

    /// <summary>Response tokens in all, N.</summary>
    public int ScoredTokens { get; private set; }

    /// <summary>The batch as native functions read it; valid until the next <see cref="Add"/>.</summary>
    public NativeTokenBatch Batch => new(
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_offsets),
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_tokens),
        System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_promptLengths));

    /// <summary>Appends a sequence.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="response">Tokens that are scored.</param>
    public void Add(ReadOnlySpan<int> prompt, ReadOnlySpan<int> response)
    {
        _tokens.AddRange(prompt);
        _tokens.AddRange(response);
        _offsets.Add(_tokens.Count);
        _promptLengths.Add(prompt.Length);
        ScoredTokens += response.Length;
    }
}
