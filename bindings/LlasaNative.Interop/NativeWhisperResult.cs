namespace LlasaNative.Interop;

/// <summary>Transcripts and likelihoods of a batch of clips.</summary>
public sealed class NativeWhisperResult
{
    internal NativeWhisperResult(int count, int maxNewTokens, bool hasTargets)
    {
        MaxNewTokens = maxNewTokens;
        TokenArray = new int[checked(count * maxNewTokens)];
        LengthArray = new int[count];
        MeanLogProbArray = new float[count];
        NoSpeechArray = new float[count];
        LanguageArray = new int[count];
        EarlyEndArray = new int[count];
        NllArray = hasTargets ? new float[count] : [];
    }

    /// <summary>Number of clips.</summary>
    public int Count => LengthArray.Length;

    /// <summary>Longest a transcript can be, in tokens.</summary>
    public int MaxNewTokens { get; }

    /// <summary>[Count] mean log-prob of the generated tokens, eot included.</summary>
    public ReadOnlySpan<float> MeanLogProbs => MeanLogProbArray;

    /// <summary>[Count] probability of the no-speech token.</summary>
    public ReadOnlySpan<float> NoSpeechProbs => NoSpeechArray;

    /// <summary>[Count] token of the language used; -1 when the prompt has none.</summary>
    public ReadOnlySpan<int> Languages => LanguageArray;

    /// <summary>[Count] mean teacher-forced NLL in nats; empty without targets.</summary>
    public ReadOnlySpan<float> MeanNlls => NllArray;

    /// <summary>Seconds until there was sound, where codes were scored; otherwise 0.</summary>
    public double CodecSeconds { get; internal set; }

    internal int[] TokenArray { get; }

    internal int[] LengthArray { get; }

    internal float[] MeanLogProbArray { get; }

    internal float[] NoSpeechArray { get; }

    internal int[] LanguageArray { get; }

    internal float[] NllArray { get; }

    internal int[] EarlyEndArray { get; }

    /// <summary>Why a clip's transcript ended before the model ended it.</summary>
    /// <param name="index">Of the clip.</param>
    public NativeEarlyEnd EarlyEnd(int index) => (NativeEarlyEnd)EarlyEndArray[index];

    /// <summary>Tokens of a clip's transcript, eot not included.</summary>
    /// <param name="index">Of the clip.</param>
    public ReadOnlySpan<int> Tokens(int index) => TokenArray.AsSpan(index * MaxNewTokens, LengthArray[index]);
}
