namespace LlasaNative.Training;

/// <summary>The groups of one step. With dynamic sampling those without variance are drawn again, from the next texts, up to a bound.</summary>
/// <param name="options">Validated options.</param>
/// <param name="advantage">Knows what tells the samples of a group apart.</param>
/// <param name="position">Place of the step's first text in the walk through the data.</param>
internal sealed class StepGroups(GrpoOptions options, IAdvantage advantage, long position)
{
    private readonly List<PairVerdict> _verdicts = [];
    private int[] _kept = [];
    private DrawnGroups? _drawn;

    /// <summary>Groups that are still to be drawn.</summary>
    public int Missing { get; private set; } = options.Rollout.PromptsPerStep;

    /// <summary>Place of the next text.</summary>
    public long Position { get; private set; } = position;

    /// <summary>What was drawn.</summary>
    public DrawnGroups Drawn => _drawn ?? throw new InvalidOperationException("nothing was drawn yet");

    /// <summary>What became of it.</summary>
    public GroupCounts Counts { get; private set; } = new(0, 0, 0, 0);

    /// <summary>What a judge said of every pair it was asked about, those of discarded groups included.</summary>
    public IReadOnlyList<PairVerdict> Verdicts => _verdicts;

    /// <summary>Takes the missing groups in.</summary>
    /// <param name="more">As many as were missing.</param>
    public void Add(DrawnGroups more)
    {
        _verdicts.AddRange(more.Pairs.OfType<JudgedPair>().Select(p => p.Verdict));
        Position += Missing;
        Counts = new GroupCounts(Counts.Rounds + 1, _drawn is null ? 0 : Counts.Redrawn + Missing, 0, Counts.Tokens + more.Samples.TokenCount);
        _drawn = _drawn?.Select(_kept, more) ?? more;
        var flat = _drawn.Flat(advantage, options.Loss.MinGroupDeviation);
        Counts = Counts with { Flat = flat.Count(f => f) };
        _kept = [.. Enumerable.Range(0, flat.Length).Where(g => !flat[g])];
        Missing = options.Rollout.Dynamic && Counts.Rounds < options.Rollout.DynamicRounds ? Counts.Flat : 0;
    }

    /// <summary>Which samples count; of a judge's groups the one it prefers and the other.</summary>
    public bool[] TakesPart()
    {
        if (Drawn.Pairs.Count > 0)
        {
            return [.. Drawn.Judged.Select((_, i) => Drawn.Preference(i) != 0)];
        }

        var flat = Drawn.Flat(advantage, options.Loss.MinGroupDeviation);
        var leavesOut = options.Loss.MaskFlatGroups && advantage.ComparesGroups;
        return [.. Drawn.Judged.Select((j, i) => !j.Masked && !(leavesOut && flat[i / Drawn.GroupSize]))];
    }
}
