namespace LlasaNative.Interop;

/// <summary>Prompts that join a rollout while it runs, one sample of each, and what is drawn for them.</summary>
/// <remarks>
/// <b>Threads:</b> that of the rollout's call, while it runs: from its looks and its finished samples. It may be filled before the call,
/// and used again by <see cref="Clear"/> after it.
/// </remarks>
/// <param name="capacity">Most prompts of one call.</param>
/// <param name="promptTokens">Most tokens of them together.</param>
/// <param name="maxNewTokens">Longest a sample can be, in tokens.</param>
public sealed class NativeRolloutFeed(int capacity, int promptTokens, int maxNewTokens)
{
    internal readonly long[] Offsets = new long[capacity + 1];
    internal readonly int[] PromptIds = new int[promptTokens];
    internal readonly ulong[] SequenceIds = new ulong[capacity];
    internal readonly int[] Limits = new int[capacity];
    internal readonly int[] Tokens = new int[checked(capacity * maxNewTokens)];
    internal readonly float[] LogProbs = new float[checked(capacity * maxNewTokens)];
    internal readonly int[] Lengths = new int[capacity];
    internal readonly int[] FinishReasons = new int[capacity];

    /// <summary>Prompts that have come.</summary>
    public int Count { get; private set; }

    /// <summary>Most prompts of one call.</summary>
    public int Capacity => SequenceIds.Length;

    /// <summary>Longest a sample can be, in tokens.</summary>
    public int MaxNewTokens { get; } = maxNewTokens;

    /// <summary>Whether there is room for one more prompt.</summary>
    /// <param name="tokens">Of the prompt.</param>
    public bool HasRoom(int tokens) => Count < Capacity && Offsets[Count] + tokens <= PromptIds.Length;

    /// <summary>Adds a prompt.</summary>
    /// <param name="prompt">Its tokens, at least one.</param>
    /// <param name="sequenceId">Key of its random numbers.</param>
    /// <returns>Its index.</returns>
    /// <exception cref="InvalidOperationException">There is no room for it.</exception>
    public int Add(ReadOnlySpan<int> prompt, ulong sequenceId)
    {
        ArgumentOutOfRangeException.ThrowIfZero(prompt.Length, nameof(prompt));
        if (!HasRoom(prompt.Length))
        {
            throw new InvalidOperationException($"no room for a prompt of {prompt.Length} tokens behind {Count} with {Offsets[Count]}");
        }

        prompt.CopyTo(PromptIds.AsSpan((int)Offsets[Count]));
        SequenceIds[Count] = sequenceId;
        Limits[Count] = MaxNewTokens;
        Offsets[Count + 1] = Offsets[Count] + prompt.Length;
        Tokens.AsSpan(Count * MaxNewTokens, MaxNewTokens).Fill(-1);
        return Count++;
    }

    /// <summary>Ends a sample at the next token.</summary>
    /// <param name="index">Of the sample.</param>
    public void End(int index) => Limits[index] = 1;

    /// <summary>The tokens drawn so far.</summary>
    /// <param name="index">Of the sample.</param>
    /// <param name="known">How many there are at least, from an earlier look.</param>
    public ReadOnlySpan<int> Drawn(int index, int known = 0)
    {
        ReadOnlySpan<int> row = Tokens.AsSpan(index * MaxNewTokens, MaxNewTokens);
        var more = row[known..].IndexOf(-1);
        return more < 0 ? row : row[..(known + more)];
    }

    /// <summary>Why a finished sample ended.</summary>
    /// <param name="index">Of the sample.</param>
    public NativeFinishReason FinishReason(int index) => (NativeFinishReason)FinishReasons[index];

    /// <summary>Forgets all prompts.</summary>
    public void Clear() => Count = 0;
}
