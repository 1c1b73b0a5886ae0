namespace LlasaNative.Training;

/// <summary>Samples that were drawn, heard and judged; sample j of group g has index g * n + j.</summary>
/// <param name="Texts">[B] what each should say.</param>
/// <param name="Samples">What was drawn.</param>
/// <param name="Codes">[B] speech codes of each.</param>
/// <param name="Recognised">[B] what was heard in each.</param>
/// <param name="Judged">[B] how each was judged.</param>
public sealed record DrawnGroups(string[] Texts, RolloutBatch Samples, int[][] Codes, IReadOnlyList<RecognisedSample> Recognised, Judgement[] Judged)
{
    /// <summary>[B] log-probs of each sample's tokens under the starting policy; empty while nobody asked for them.</summary>
    public float[][] Reference { get; init; } = [];

    /// <summary>[B] what the starting policy charges each sample for, taken from its reward; empty = nothing.</summary>
    public double[] Charges { get; init; } = [];

    /// <summary>[B] name of each sample's voice, null where it has none; empty = no voices at all.</summary>
    public IReadOnlyList<string?> Voices { get; init; } = [];

    /// <summary>[G] the two samples of each group that a judge was asked about, null where no two could be; empty = the reward judges.</summary>
    public IReadOnlyList<JudgedPair?> Pairs { get; init; } = [];

    /// <summary>Samples of a group.</summary>
    public int GroupSize => Samples.SamplesPerPrompt;

    /// <summary>Number of groups.</summary>
    public int Groups => Judged.Length / GroupSize;

    /// <summary>Whether each group gives its samples no reason to differ: what tells them apart deviates by no more than a bound, or a judge prefers none.</summary>
    /// <param name="advantage">Knows what tells samples apart; rewards are less <see cref="Charges"/>.</param>
    /// <param name="minDeviation">The bound; 0 = equal numbers only.</param>
    /// <remarks>
    /// Masked samples do not count; a group of nothing else has no variance either. One left with a single sample is not without
    /// variance: its advantage is the reward itself.
    /// </remarks>
    public bool[] Flat(IAdvantage advantage, double minDeviation) => Pairs.Count > 0 ? [.. Pairs.Select(p => p?.Verdict.IsPreference != true)] : [.. Enumerable.Range(0, Judged.Length).Chunk(GroupSize).Select(group =>
    {
        IReadOnlyList<double>[] signals =
        [
            .. group.Where(i => !Judged[i].Masked)
                .Select(i => advantage.Signals(Judged[i].Reward - (Charges.Length > 0 ? Charges[i] : 0), Judged[i].Breakdown.Parts)),
        ];
        return signals.Length != 1 && (signals.Length == 0 || Enumerable.Range(0, signals[0].Count).All(k => Flat([.. signals.Select(s => (double)(float)s[k])], minDeviation)));
    })];

    /// <summary>What is to be known of each sample, its sound included where it was wanted.</summary>
    /// <param name="advantages">[B] advantages; null = none.</param>
    public IEnumerable<SampleRecord> Records(float[]? advantages = null) => Judged.Select((judged, i) => new SampleRecord(
        Text: Texts[i],
        Voice: Voices.Count > 0 ? Voices[i] : null,
        Transcript: Recognised[i].Score.Transcript,
        Codes: Codes[i],
        Ended: Samples[i].Ended,
        Judgement: judged,
        Advantage: advantages?[i] ?? 0,
        Prosody: Recognised[i].Prosody,
        Sound: Recognised[i].Sound));

    /// <summary>Some groups of this, then all of another.</summary>
    /// <param name="groups">Which stay, in order.</param>
    /// <param name="others">What follows; null = nothing.</param>
    public DrawnGroups Select(IReadOnlyList<int> groups, DrawnGroups? others = null)
    {
        int[] kept = [.. groups.SelectMany(g => Enumerable.Range(g * GroupSize, GroupSize))];
        return new DrawnGroups(
            [.. kept.Select(i => Texts[i]), .. others?.Texts ?? []], Samples.Select(groups, others?.Samples), [.. kept.Select(i => Codes[i]), .. others?.Codes ?? []],
            [.. kept.Select(i => Recognised[i]), .. others?.Recognised ?? []], [.. kept.Select(i => Judged[i]), .. others?.Judged ?? []])
        {
            Voices = Voices.Count == 0 && others is not { Voices.Count: > 0 } ? []
                : [.. kept.Select(i => Voices.Count > 0 ? Voices[i] : null), .. others is null ? [] : others.Voices.Count > 0 ? others.Voices : new string?[others.Texts.Length]],
            Pairs = Pairs.Count == 0 ? [] : [.. groups.Select(g => Pairs[g]), .. others?.Pairs ?? []],
            Reference = Reference.Length == 0 ? [] : [.. kept.Select(i => Reference[i]), .. others?.Reference ?? []],
            Charges = Charges.Length == 0 ? [] : [.. kept.Select(i => Charges[i]), .. others?.Charges ?? []],
        };
    }

    /// <summary>What a judge makes of a sample: 1 if it is preferred, -1 if another is preferred to it, 0 if neither, or if nobody was asked.</summary>
    /// <param name="sample">Its index.</param>
    internal int Preference(int sample) => Pairs.Count > 0 && Pairs[sample / GroupSize] is { } pair ? pair.Of(sample % GroupSize) : 0;

    private static bool Flat(double[] values, double minDeviation) => values.Min() == values.Max() || values.Deviation() <= minDeviation;
}
