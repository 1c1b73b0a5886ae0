namespace LlasaNative.Interop;

/// <summary>What a recogniser is to do with a batch of B clips.</summary>
public readonly ref struct NativeWhisperRequest
{
    /// <summary>A request for nothing: slots and special tokens off.</summary>
    public NativeWhisperRequest()
    {
    }

    /// <summary>M, longest transcript in tokens; 0 = no transcription.</summary>
    public int MaxNewTokens { get; init; }

    /// <summary>Start of every transcript, such as sot, en, transcribe, notimestamps.</summary>
    public ReadOnlySpan<int> PromptIds { get; init; }

    /// <summary>Index in <see cref="PromptIds"/> that the detected language replaces; -1 = language given.</summary>
    public int LanguageSlot { get; init; } = -1;

    /// <summary>The language tokens, in any order.</summary>
    public ReadOnlySpan<int> LanguageIds { get; init; }

    /// <summary>Token whose probability right after sot is reported; -1 = none.</summary>
    public int NoSpeechToken { get; init; } = -1;

    /// <summary>Tokens that end a transcript as the model's eot does, beside it.</summary>
    public ReadOnlySpan<int> EndIds { get; init; }

    /// <summary>Tokens never generated.</summary>
    public ReadOnlySpan<int> SuppressIds { get; init; }

    /// <summary>Tokens not generated first.</summary>
    public ReadOnlySpan<int> BeginSuppressIds { get; init; }

    /// <summary>[B+1] start of each teacher-forced sequence; empty = no NLL.</summary>
    public ReadOnlySpan<long> TargetOffsets { get; init; }

    /// <summary>Teacher-forced sequences, prompt and eot included.</summary>
    public ReadOnlySpan<int> TargetIds { get; init; }

    /// <summary>[B] index of the first scored token of each target, at least 1.</summary>
    public ReadOnlySpan<int> TargetFirst { get; init; }

    /// <summary>As <see cref="LanguageSlot"/>, in the targets.</summary>
    public int TargetLanguageSlot { get; init; } = -1;

    /// <summary>Fewest samples of a second or later window that is transcribed; 0 = all are.</summary>
    public int MinWindowSamples { get; init; }

    /// <summary>Least root mean square (full scale is 1) of such a window; 0 = any.</summary>
    public float SilenceRms { get; init; }

    /// <summary>[vocab_size] characters that each token adds to a transcript; empty = no transcript ends early.</summary>
    public ReadOnlySpan<int> IdCharacters { get; init; }

    /// <summary>[B] characters at which a transcript ends; at least 1.</summary>
    public ReadOnlySpan<long> MaxCharacters { get; init; }

    /// <summary>[B] characters from which on a transcript that repeats itself ends; at least 1.</summary>
    public ReadOnlySpan<long> LoopCharacters { get; init; }

    internal void Check(long clips, int vocabulary)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(MaxNewTokens);
        if (!IdCharacters.IsEmpty)
        {
            Checks.Length(IdCharacters.Length, vocabulary, nameof(IdCharacters));
            Checks.Length(MaxCharacters.Length, clips, nameof(MaxCharacters));
            Checks.Length(LoopCharacters.Length, clips, nameof(LoopCharacters));
        }

        if (!TargetOffsets.IsEmpty)
        {
            Checks.Length(TargetOffsets.Length, clips + 1, nameof(TargetOffsets));
            Checks.Length(TargetIds.Length, Checks.Offsets(TargetOffsets, nameof(TargetOffsets)), nameof(TargetIds));
            Checks.Length(TargetFirst.Length, clips, nameof(TargetFirst));
        }
    }
}
