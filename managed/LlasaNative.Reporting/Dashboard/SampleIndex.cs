namespace LlasaNative.Reporting.Dashboard;

/// <summary>Where in <c>samples.jsonl</c> each sample stands, which step it belongs to, and whether its sound was kept.</summary>
/// <remarks><b>Threads:</b> one at a time.</remarks>
internal sealed class SampleIndex
{
    private readonly List<(long Offset, int Length)> _rows = [];
    private readonly List<(long Step, int First)> _starts = [];
    private readonly List<(int Row, string Path)> _sounding = [];

    public int Count => _rows.Count;

    /// <summary>Rows with a sound, and its path within the run.</summary>
    public IReadOnlyList<(int Row, string Path)> Sounding => _sounding;

    public void Clear()
    {
        _rows.Clear();
        _starts.Clear();
        _sounding.Clear();
    }

    /// <summary>Adds a line; one that is not a sample of a step is left out.</summary>
    public void Add(ReadOnlySpan<byte> line, long offset)
    {
        if (JsonLines.StepOf(line, out var sample) is not { } step || (_starts.Count > 0 && step < _starts[^1].Step))
        {
            return;
        }

        if (_starts.Count == 0 || step > _starts[^1].Step)
        {
            _starts.Add((step, _rows.Count));
        }

        if (sample.TryGetProperty("sound", out var sound) && sound.ValueKind == JsonValueKind.String && sound.GetString() is { Length: > 0 } path)
        {
            _sounding.Add((_rows.Count, path));
        }

        _rows.Add((offset, line.Length));
    }

    /// <summary>Bytes of the file that hold some rows.</summary>
    public IEnumerable<(long Offset, int Length)> Lines(int first, int count) => _rows.Skip(first).Take(count);

    /// <summary>Each step that begins at a row or behind it, and its first row.</summary>
    public long[][] Starts(int from) => [.. _starts.Where(s => s.First >= from).Select(s => new[] { s.Step, s.First })];

    /// <summary>Rows with a sound from a row on.</summary>
    public int[] SoundingFrom(int from) => [.. _sounding.Select(s => s.Row).Where(row => row >= from)];
}
