using System.Runtime.InteropServices;

namespace LlasaNative.Training;

/// <summary>Prompts and responses packed one after another.</summary>
/// <remarks><b>Threads:</b> one at a time. Spans taken from it are valid until the next <see cref="Add"/>.</remarks>
public sealed class PackedSequences
{
    private readonly List<long> _offsets = [0];
    private readonly List<int> _tokens = [];
    private readonly List<long> _promptLengths = [];

    /// <summary>Number of sequences, B.</summary>
    public int Count => _promptLengths.Count;

    /// <summary>Response tokens in all, N.</summary>
    public int ScoredTokens { get; private set; }

    /// <summary>[B+1] where each sequence begins among <see cref="TokenIds"/>.</summary>
    public ReadOnlySpan<long> Offsets => CollectionsMarshal.AsSpan(_offsets);

    /// <summary>Prompt, response, prompt, response, ...</summary>
    public ReadOnlySpan<int> TokenIds => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>[B] tokens of each prompt.</summary>
    public ReadOnlySpan<long> PromptLengths => CollectionsMarshal.AsSpan(_promptLengths);

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
