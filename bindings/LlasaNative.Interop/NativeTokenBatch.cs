namespace LlasaNative.Interop;

/// <summary>Whole sequences, packed, as the native functions read them.</summary>
/// <remarks>
/// Tokens from a sequence's prompt length on are scored. Arrays over scored tokens are packed in this order.
/// </remarks>
public readonly ref struct NativeTokenBatch
{
    /// <summary>Describes a batch of B sequences; the spans are borrowed.</summary>
    /// <param name="offsets">[B+1] start of each sequence, the first 0.</param>
    /// <param name="tokenIds">[offsets[B]] ids.</param>
    /// <param name="promptLengths">[B] from 1 to the sequence's length.</param>
    /// <exception cref="ArgumentException">Lengths or offsets do not fit together.</exception>
    public NativeTokenBatch(ReadOnlySpan<long> offsets, ReadOnlySpan<int> tokenIds, ReadOnlySpan<long> promptLengths)
    {
        var count = Checks.ItemCount(offsets, nameof(offsets));
        Checks.Length(tokenIds.Length, Checks.Offsets(offsets, nameof(offsets)), nameof(tokenIds));
        Checks.Length(promptLengths.Length, count, nameof(promptLengths));
        long scored = 0;
        for (var b = 0; b < count; b++)
        {
            var length = offsets[b + 1] - offsets[b];
            if (promptLengths[b] < 1 || promptLengths[b] > length)
            {
                throw new ArgumentException($"prompt of sequence {b} has {promptLengths[b]} tokens, expected 1..{length}", nameof(promptLengths));
            }

            scored += length - promptLengths[b];
        }

        Offsets = offsets;
        TokenIds = tokenIds;
        PromptLengths = promptLengths;
        ScoredTokens = scored;
    }

    /// <summary>[B+1] start of each sequence.</summary>
    public ReadOnlySpan<long> Offsets { get; }

    /// <summary>Ids of all sequences, one after another.</summary>
    public ReadOnlySpan<int> TokenIds { get; }

    /// <summary>[B] tokens at the start of each sequence that are given, not scored.</summary>
    public ReadOnlySpan<long> PromptLengths { get; }

    /// <summary>Number of sequences, B.</summary>
    public int Count => Math.Max(Offsets.Length - 1, 0);

    /// <summary>Number of scored tokens, N.</summary>
    public long ScoredTokens { get; }

    /// <summary>The native struct over pinned arrays.</summary>
    internal unsafe TokenBatchRaw Raw(long* offsets, int* tokenIds, long* promptLengths)
    {
        var raw = TokenBatchRaw.Create();
        raw.NumSequences = Count;
        raw.Offsets = offsets;
        raw.TokenIds = tokenIds;
        raw.PromptLengths = promptLengths;
        return raw;
    }
}
