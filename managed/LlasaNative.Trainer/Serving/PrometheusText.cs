namespace LlasaNative.Trainer.Serving;

/// <summary>Writes the text format that Prometheus reads.</summary>
internal sealed class PrometheusText
{
    private readonly StringBuilder _text = new();

    /// <summary>What is said of a name before its values.</summary>
    public void Head(string name, string type, string help) => _text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    /// <summary>A name with one value.</summary>
    public void Number(string name, string type, string help, long value)
    {
        Head(name, type, help);
        Value(name, "", value);
    }

    /// <summary>A value of a name; labels without their braces.</summary>
    public void Value(string name, string labels, long value) =>
        _text.Append(CultureInfo.InvariantCulture, $"{name}{(labels.Length > 0 ? $"{{{labels}}}" : "")} {value}\n");

    /// <summary>A name whose values are counted by ranges, for each of some labels.</summary>
    public void Histograms(string name, string help, IEnumerable<(string Labels, Histogram Values)> histograms)
    {
        Head(name, "histogram", help);
        foreach (var (labels, values) in histograms)
        {
            values.Write(_text, name, labels);
        }
    }

    /// <summary>A label's value as it may stand between quotes.</summary>
    public static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    public override string ToString() => _text.ToString();
}
