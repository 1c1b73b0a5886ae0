namespace LlasaNative.Training;

/// <summary>Responses drawn to some prompts; sample j of prompt p has index p * n + j.</summary>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed class RolloutBatch
{
    private readonly IReadOnlyList<int[]> _prompts;
    private readonly IReadOnlyList<DrawnResponse> _samples;
    private readonly int[] _lengths;

    /// <summary>Brings prompts and responses together.</summary>
    /// <param name="prompts">Token ids of each prompt.</param>
    /// <param name="samples">The same number of responses to each.</param>
    public RolloutBatch(IReadOnlyList<int[]> prompts, IReadOnlyList<DrawnResponse> samples)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(samples);
        SamplesPerPrompt = samples.Count / Math.Max(prompts.Count, 1);
        if (SamplesPerPrompt * prompts.Count != samples.Count)
        {
            throw new ArgumentException($"{samples.Count} samples of {prompts.Count} prompts, expected the same number of each", nameof(samples));
        }

        (_prompts, _samples) = (prompts, samples);
        _lengths = [.. samples.Select(s => s.Tokens.Length)];
    }

    /// <summary>Number of samples.</summary>
    public int Count => _samples.Count;

    /// <summary>Samples of each prompt.</summary>
    public int SamplesPerPrompt { get; }

    /// <summary>Tokens drawn for each sample, the end token included.</summary>
    public ReadOnlySpan<int> Lengths => _lengths;

    /// <summary>Tokens drawn in all.</summary>
    public long TokenCount => _lengths.Sum(l => (long)l);

    /// <summary>One of the samples.</summary>
    /// <param name="index">Of the sample.</param>
    public DrawnResponse this[int index] => _samples[index];

    /// <summary>Token ids of one of the prompts.</summary>
    /// <param name="index">Of the prompt.</param>
    public ReadOnlySpan<int> Prompt(int index) => _prompts[index];

    /// <summary>Whether each sample ended by itself.</summary>
    public bool[] Ended => [.. _samples.Select(s => s.Ended)];

    /// <summary>Some of the groups, then those of another batch of the same policy.</summary>
    /// <param name="groups">Indices of prompts of this batch that stay.</param>
    /// <param name="others">Added behind them; null = none.</param>
    public RolloutBatch Select(IReadOnlyList<int> groups, RolloutBatch? others = null) => new(
        [.. groups.Select(g => _prompts[g]), .. others?._prompts ?? []],
        [.. groups.SelectMany(g => Enumerable.Range(g * SamplesPerPrompt, SamplesPerPrompt)).Select(i => _samples[i]), .. others?._samples ?? []]);

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
            packed.Add(_prompts[i / SamplesPerPrompt], _samples[i].Tokens.Span);
        }

        return packed;
    }
}
