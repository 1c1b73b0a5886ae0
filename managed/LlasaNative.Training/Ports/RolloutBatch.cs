namespace LlasaNative.Training;

/// <summary>Responses drawn to some prompts; sample j of prompt p has index p * n + j.</summary>
/// <param name="Prompts">Token ids of each prompt.</param>
/// <param name="Samples">The same number of responses to each.</param>
/// <remarks><b>Threads:</b> immutable.</remarks>
public sealed record RolloutBatch(IReadOnlyList<int[]> Prompts, IReadOnlyList<DrawnResponse> Samples)
{
    /// <summary>Number of samples.</summary>
    public int Count => Samples.Count;

    /// <summary>Samples of each prompt.</summary>
    public int SamplesPerPrompt { get; } = Samples.Count / Math.Max(Prompts.Count, 1) is var each && each * Prompts.Count == Samples.Count
        ? each : throw new ArgumentException($"{Samples.Count} samples of {Prompts.Count} prompts, expected the same number of each", nameof(Samples));

    /// <summary>Tokens drawn for each sample, the end token included.</summary>
    public int[] Lengths { get; } = [.. Samples.Select(s => s.Tokens.Length)];

    /// <summary>Tokens drawn in all.</summary>
    public long TokenCount => Lengths.Sum(l => (long)l);

    /// <summary>One of the samples.</summary>
    /// <param name="index">Of the sample.</param>
    public DrawnResponse this[int index] => Samples[index];

    /// <summary>Whether each sample ended by itself.</summary>
    public bool[] Ended => [.. Samples.Select(s => s.Ended)];

    /// <summary>Some of the groups, then those of another batch of the same policy.</summary>
    /// <param name="groups">Indices of prompts of this batch that stay.</param>
    /// <param name="others">Added behind them; null = none.</param>
    public RolloutBatch Select(IReadOnlyList<int> groups, RolloutBatch? others = null) => new(
        [.. groups.Select(g => Prompts[g]), .. others?.Prompts ?? []],
        [.. groups.SelectMany(g => Enumerable.Range(g * SamplesPerPrompt, SamplesPerPrompt)).Select(i => Samples[i]), .. others?.Samples ?? []]);

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
            packed.Add(Prompts[i / SamplesPerPrompt], Samples[i].Tokens.Span);
        }

        return packed;
    }
}
