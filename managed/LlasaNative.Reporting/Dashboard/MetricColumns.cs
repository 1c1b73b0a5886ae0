namespace LlasaNative.Reporting.Dashboard;

/// <summary>The measurements of a run, a column per name.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
internal sealed class MetricColumns
{
    private readonly List<long> _steps = [];
    private readonly Dictionary<string, List<double>> _columns = new(StringComparer.Ordinal);

    public int Count => _steps.Count;

    public void Clear()
    {
        _steps.Clear();
        _columns.Clear();
    }

    /// <summary>Adds a line of <c>metrics.jsonl</c>; one that is not such a line is left out.</summary>
    public void Add(ReadOnlySpan<byte> line)
    {
        // Steps only rise, so that curves can be searched; whatever else stands in the file is somebody's edit.
        if (JsonLines.StepOf(line, out var row) is not { } step || (_steps.Count > 0 && step <= _steps[^1]))
        {
            return;
        }

        foreach (var value in row.EnumerateObject().Where(v => v.Name != "step" && v.Value.ValueKind is JsonValueKind.Number or JsonValueKind.Null))
        {
            var column = _columns.TryGetValue(value.Name, out var known) ? known : _columns[value.Name] = [.. Enumerable.Repeat(double.NaN, _steps.Count)];
            if (column.Count == _steps.Count)   // a name that comes twice counts once
            {
                column.Add(value.Value.ValueKind == JsonValueKind.Number ? value.Value.GetDouble() : double.NaN);
            }
        }

        _steps.Add(step);
        foreach (var column in _columns.Values.Where(c => c.Count < _steps.Count))
        {
            column.Add(double.NaN);
        }
    }

    /// <summary>The steps from a row on.</summary>
    public long[] Steps(int from) => [.. _steps.Skip(from)];

    /// <summary>The values from a row on, by name.</summary>
    public Dictionary<string, double[]> Columns(int from) => _columns.ToDictionary(c => c.Key, c => c.Value.Skip(from).ToArray());
}
