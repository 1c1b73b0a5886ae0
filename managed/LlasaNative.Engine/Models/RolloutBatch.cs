using LlasaNative.Interop;
using LlasaNative.Text;

namespace LlasaNative.Models;

/// <summary>Samples drawn for a batch of prompts; sample j of prompt p has index p * n + j.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class RolloutBatch
{
    private readonly int[][] _prompts;
    private readonly (NativeRolloutResult Result, int Index)[] _samples;
    private readonly int[] _lengths;
    private readonly SpeechTokens _speech;

    internal RolloutBatch(IReadOnlyList<int[]> prompts, int samplesPerPrompt, NativeRolloutResult result, SpeechTokens speech)
        : this([.. prompts], samplesPerPrompt, [.. Enumerable.Range(0, result.Count).Select(i => (result, i))], speech)
    {
    }

    private RolloutBatch(int[][] prompts, int samplesPerPrompt, (NativeRolloutResult Result, int Index)[] samples, SpeechTokens speech)
    {
        _prompts = prompts;
        _samples = samples;
        _lengths = [.. samples.Select(s => s.Result.Lengths[s.Index])];
        _speech = speech;
        SamplesPerPrompt = samplesPerPrompt;
    }

    /// <summary>Number of samples.</summary>
    public int Count => _samples.Length;

    /// <summary>Samples of each prompt.</summary>
    public int SamplesPerPrompt { get; }

    /// <summary>Tokens drawn for each sample, the end token included.</summary>
    public ReadOnlySpan<int> Lengths => _lengths;

    /// <summary>Tokens drawn in all.</summary>
    public long TokenCount => _lengths.Sum(l => (long)l);

    /// <summary>Whether a sample ended by itself, as opposed to hitting the length cap.</summary>
    /// <param name="index">Of the sample.</param>
    public bool Ended(int index) => _samples[index].Result.FinishReasons[_samples[index].Index] == NativeFinishReason.Stop;

    /// <summary>Tokens of a sample, the end token included.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<int> Tokens(int index) => _samples[index].Result.Tokens(_samples[index].Index);

    /// <summary>Log-prob of each token of a sample under the policy that drew it.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<float> LogProbs(int index) => _samples[index].Result.LogProbs(_samples[index].Index);

    /// <summary>Log of the probability each token of a sample was really drawn with, after top-k, top-p and min-p.</summary>
    /// <param name="index">Of the sample.</param>
    public ReadOnlySpan<float> DrawLogProbs(int index) => _samples[index].Result.DrawLogProbs(_samples[index].Index);

    /// <summary>Speech codes of a sample.</summary>
    /// <param name="index">Of the sample.</param>
    public int[] Codes(int index) => _speech.ExtractCodes(Tokens(index));

    /// <summary>Some of the groups, then those of another batch of the same policy.</summary>
    /// <param name="groups">Indices of prompts of this batch that stay.</param>
    /// <param name="others">Added behind them; null = none.</param>
    internal RolloutBatch Select(IReadOnlyList<int> groups, RolloutBatch? others = null) => new(
        [.. groups.Select(g => _prompts[g]), .. others?._prompts ?? []], SamplesPerPrompt,
        [.. groups.SelectMany(g => _samples.AsSpan(g * SamplesPerPrompt, SamplesPerPrompt).ToArray()), .. others?._samples ?? []], _speech);

    /// <summary>Prompts and responses one after another, as training reads them.</summary>
    public PackedSequences Pack() => Pack([.. Enumerable.Range(0, Count)]);

    /// <summary>Some sequences one after another, as training reads them.</summary>
    /// <param name="sequences">Their indices; those of one prompt should stand together.</param>
    public PackedSequences Pack(IReadOnlyList<int> sequences)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        PackedSequences packed = new();
        foreach (var i in sequences)
        {
            packed.Add(_prompts[i / SamplesPerPrompt], Tokens(i));
        }

        return packed;
    }
}
