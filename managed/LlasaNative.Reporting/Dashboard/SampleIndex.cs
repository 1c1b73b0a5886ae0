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
        long? step = null;
        string? sound = null;
        try
        {
            Utf8JsonReader json = new(line);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            {
                return;
            }

            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var (isStep, isSound) = (json.ValueTextEquals("step"u8), json.ValueTextEquals("sound"u8));
                json.Read();
                if (isStep && json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var number))
                {
                    step = number;
                }
                else if (isSound && json.TokenType == JsonTokenType.String)
                {
                    sound = json.GetString();
                }
                else
                {
                    json.Skip();
                }
            }
        }
        catch (JsonException)
        {
            return;
        }

        if (step is not { } s || (_starts.Count > 0 && s < _starts[^1].Step))
        {
            return;
        }

        if (_starts.Count == 0 || s > _starts[^1].Step)
        {
            _starts.Add((s, _rows.Count));
        }

        if (!string.IsNullOrEmpty(sound))
        {
            _sounding.Add((_rows.Count, sound));
        }

        _rows.Add((offset, line.Length));
    }

    /// <summary>Bytes of the file that hold some rows.</summary>
    public IEnumerable<(long Offset, int Length)> Lines(int first, int count) => _rows.Skip(first).Take(count);

    /// <summary>Writes what came from row <paramref name="from"/> on as <c>count</c>, <c>starts</c> and <c>sounding</c>.</summary>
    public void Write(Utf8JsonWriter json, int from)
    {
        json.WriteNumber("count", _rows.Count);
        json.WriteStartArray("starts");
        foreach (var (step, first) in _starts)
        {
            if (first >= from)
            {
                json.WriteStartArray();
                json.WriteNumberValue(step);
                json.WriteNumberValue(first);
                json.WriteEndArray();
            }
        }

        json.WriteEndArray();
        json.WriteStartArray("sounding");
        foreach (var (row, _) in _sounding)
        {
            if (row >= from)
            {
                json.WriteNumberValue(row);
            }
        }

        json.WriteEndArray();
    }
}
