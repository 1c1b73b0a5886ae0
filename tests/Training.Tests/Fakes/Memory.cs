using LlasaNative.Reporting;

namespace LlasaNative.Training.Tests.Fakes;

/// <summary>Checkpoints, log and progress of a run, kept in memory.</summary>
internal sealed class Memory : IRunCheckpoints, IRunLog, IRunProgress
{
    private readonly SortedDictionary<long, (RunState State, float[] Weights, float[] Moments)> _saved = [];

    public Memory()
    {
    }

    /// <summary>Begins with what another one holds.</summary>
    public Memory(Memory other)
    {
        foreach (var (step, saved) in other._saved)
        {
            _saved[step] = saved;
        }

        Reports.AddRange(other.Reports);
    }

    public List<StepReport> Reports { get; } = [];

    public List<string> Notes { get; } = [];

    public IReadOnlyList<MetricRow> Rows => [.. Reports.Select(r => r.Metrics)];

    public IEnumerable<long> Saved => _saved.Keys;

    public RunLogLength Length => new(Reports.Count, Reports.Count);

    public (string Place, RunState State)? Find(string? place, Action<string, string> passedOver)
    {
        if (_saved.Count == 0)
        {
            return null;
        }

        var step = place is null ? _saved.Keys.Max() : long.Parse(place, System.Globalization.CultureInfo.InvariantCulture);
        return ($"{step}", _saved[step].State);
    }

    public void Restore(string place, ITrainingLoop run)
    {
        var (_, weights, moments) = _saved[long.Parse(place, System.Globalization.CultureInfo.InvariantCulture)];
        run.Policy.WriteTensor("logits", weights);
        run.Trainer.WriteState(OptimiserState.Moment1, "logits", moments);
    }

    public void BeginAfter(RunState? state)
    {
        foreach (var step in _saved.Keys.Where(s => s > (state?.Step ?? -1)).ToArray())
        {
            _saved.Remove(step);
        }
    }

    public string Save(RunState state, ITrainingLoop run)
    {
        var (weights, moments) = (new float[4], new float[4]);
        run.Policy.ReadTensor("logits", weights);
        run.Trainer.ReadState(OptimiserState.Moment1, "logits", moments);
        _saved[state.Step] = (state, weights, moments);
        return $"{state.Step}";
    }

    /// <summary>Opens the log where a run stands: what came later is forgotten.</summary>
    public IRunLog Open(RunState? state)
    {
        Reports.RemoveRange((int)(state?.Log.MetricsBytes ?? 0), Reports.Count - (int)(state?.Log.MetricsBytes ?? 0));
        return this;
    }

    public void Write(StepReport report) => Reports.Add(report);

    public void FlushToDisk()
    {
    }

    public void Took(long number, string text)
    {
    }

    public void Note(string text) => Notes.Add(text);

    public void Finish()
    {
    }

    public void Dispose()
    {
    }
}
