namespace LlasaNative.Trainer.Serving;

/// <summary>Counts values by ranges, as Prometheus reads them.</summary>
/// <param name="bounds">Upper ends of the ranges, ascending.</param>
/// <remarks><b>Threads:</b> any.</remarks>
internal sealed class Histogram(double[] bounds)
{
    /// <summary>Ranges for what requests take.</summary>
    public static readonly double[] Seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

    /// <summary>Ranges for how much is done together.</summary>
    public static readonly double[] Counts = [1, 2, 4, 8, 16, 32, 64, 128, 256];

    private readonly Lock _lock = new();
    private readonly long[] _counts = new long[bounds.Length + 1];
    private double _sum;

    public void Add(double value)
    {
        var bucket = Array.FindIndex(bounds, b => value <= b);
        lock (_lock)
        {
            _counts[bucket < 0 ? bounds.Length : bucket]++;
            _sum += value;
        }
    }

    public void Write(StringBuilder text, string name, string labels)
    {
        lock (_lock)
        {
            var comma = labels.Length > 0 ? "," : "";
            long count = 0;
            for (var i = 0; i < _counts.Length; i++)
            {
                count += _counts[i];
                var bound = i < bounds.Length ? bounds[i].ToString("R", CultureInfo.InvariantCulture) : "+Inf";
                text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}\n");
            }

            var braces = labels.Length > 0 ? $"{{{labels}}}" : "";
            text.Append(CultureInfo.InvariantCulture, $"{name}_sum{braces} {_sum:R}\n{name}_count{braces} {count}\n");
        }
    }
}
