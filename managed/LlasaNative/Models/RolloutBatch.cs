using LlasaNative.Interop;
using LlasaNative.Text;

namespace LlasaNative.Models;

/// <summary>Samples drawn for a batch of prompts; sample j of prompt p has index p * n + j.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class RolloutBatch
{
    private readonly IReadOnlyList<int[]> _prompts;
    private readonly NativeRolloutResult _result;
    private readonly SpeechTokens _speech;

    internal RolloutBatch(IReadOnlyList<int[]> prompts, int samplesPerPrompt, NativeRolloutResult result, SpeechTokens speech)
    {
        _prompts = prompts;
        _result = result;
        _speech = speech;
        SamplesPerPrompt = samplesPerPrompt;
    }

    /// <summary>Number of samples.</summary>
    public int Count => _result.Count;

    /// <summary>Samples of each prompt.</summary>
    public int SamplesPerPrompt { get; }

    /// <summary>Tokens drawn for each sample, the end token included.</summary>
    public ReadOnlySpan<int> Lengths => _result.Lengths;

    /// <summary>Tokens drawn in all.</summary>
    public long TokenCount
    {
        get
        {
            long sum = 0;
            foreach (var length in _result.Lengths)
            {
                sum += length;
            }

            return sum;
        }
    }

    /// <summary>Whether a sample ended by itself, as opposed to hitting the length cap.</summary>
    /// <param name="index">Of the sample.</param>
    public bool Ended(int index) => _result.FinishReasons[index] == NativeFinishReason.Stop;

    /// <summary>Tokens of a sample, the end token included.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<int> Tokens(int index) => _result.Tokens(index);

    /// <summary>Log-prob of each token of a sample, as it was drawn.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<float> LogProbs(int index) => _result.LogProbs(index);

    /// <summary>Speech codes of a sample.</summary>
    /// <param name="index">Of the sample.</param>
    public int[] Codes(int index) => _speech.ExtractCodes(_result.Tokens(index));

    /// <summary>Prompts and responses one after another, as training reads them.</summary>
    public PackedSequences Pack()
    {
        PackedSequences packed = new();
        for (var i = 0; i < Count; i++)
        {
            packed.Add(_prompts[i / SamplesPerPrompt], Tokens(i), LogProbs(i));
        }

        return packed;
    }
}
