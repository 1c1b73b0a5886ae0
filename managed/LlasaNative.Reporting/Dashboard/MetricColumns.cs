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
        List<(string Name, double Value)> row = [];
        long? step = null;
        try
        {
            Utf8JsonReader json = new(line);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            {
                return;
            }

            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var name = json.GetString()!;
                json.Read();
                if (name == "step" && json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var number))
                {
                    step = number;
                }
                else if (json.TokenType is JsonTokenType.Number or JsonTokenType.Null)
                {
                    row.Add((name, json.TokenType == JsonTokenType.Number ? json.GetDouble() : double.NaN));
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

        // Steps only rise, so that curves can be searched; whatever else stands in the file is somebody's edit.
        if (step is { } s && (_steps.Count == 0 || s > _steps[^1]))
        {
            Append(s, row);
        }
    }

    /// <summary>Writes the rows from <paramref name="from"/> on as properties <c>steps</c> and <c>columns</c>.</summary>
    public void Write(Utf8JsonWriter json, int from)
    {
        json.WriteStartArray("steps");
        for (var i = from; i < _steps.Count; i++)
        {
            json.WriteNumberValue(_steps[i]);
        }

        json.WriteEndArray();
        json.WriteStartObject("columns");
        foreach (var (name, values) in _columns)
        {
            json.WriteStartArray(name);
            for (var i = from; i < values.Count; i++)
            {
                if (double.IsFinite(values[i]))
                {
                    // Six digits: more than a curve or its readout shows.
                    json.WriteRawValue(values[i].ToString("G6", CultureInfo.InvariantCulture), skipInputValidation: true);
                }
                else
                {
                    json.WriteNullValue();
                }
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private void Append(long step, List<(string Name, double Value)> row)
    {
        foreach (var (name, value) in row)
        {
            if (!_columns.TryGetValue(name, out var column))
            {
                _columns[name] = column = [.. Enumerable.Repeat(double.NaN, _steps.Count)];
            }

            if (column.Count == _steps.Count)   // a name that comes twice counts once
            {
                column.Add(value);
            }
        }

        _steps.Add(step);
        foreach (var column in _columns.Values)
        {
            if (column.Count < _steps.Count)
            {
                column.Add(double.NaN);
            }
        }
    }
}
