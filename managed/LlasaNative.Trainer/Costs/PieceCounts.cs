using System.Text.RegularExpressions;

namespace LlasaNative.Trainer.Costs;

/// <summary>What a device is given to do for a unit of work: the rows of the table in docs/performance-gpu.md, which the simulator's tests count.</summary>
internal readonly partial record struct PieceCounts(double Kernels, double Products, double Copies, double Uploads, double Readbacks, double Calls, double Waits)
{
    private static readonly Lazy<Dictionary<string, string[]>> Table = new(Read);

    /// <summary>Everything the device does, by the piece.</summary>
    public double Launches => Kernels + Products + Copies;

    public static PieceCounts operator +(PieceCounts a, PieceCounts b) => new(
        a.Kernels + b.Kernels, a.Products + b.Products, a.Copies + b.Copies, a.Uploads + b.Uploads, a.Readbacks + b.Readbacks, a.Calls + b.Calls, a.Waits + b.Waits);

    public static PieceCounts operator *(double times, PieceCounts a) => new(
        times * a.Kernels, times * a.Products, times * a.Copies, times * a.Uploads, times * a.Readbacks, times * a.Calls, times * a.Waits);

    /// <summary>A row for a model of so many layers.</summary>
    /// <param name="name">Its first cell.</param>
    /// <param name="layers">L.</param>
    public static PieceCounts Of(string name, int layers)
    {
        double[] n = [.. Table.Value[name].Select(cell => Number(cell, layers))];
        return new(n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
    }

    /// <summary>The value of a cell such as <c>12 + 9 L</c>.</summary>
    internal static double Number(string cell, int layers) => cell.Split('+').Sum(term => Term().Match(term.Trim()) is { Success: true } match
        ? double.Parse(match.Groups["n"].Value, CultureInfo.InvariantCulture) * (match.Groups["layers"].Success ? layers : 1)
        : throw new FormatException($"`{cell}` is not a number of layers"));

    private static Dictionary<string, string[]> Read() => EmbeddedText.Read(typeof(PieceCounts).Assembly, "LlasaNative.Trainer.performance-gpu.md")
        .Split('\n').Where(line => line.StartsWith("| ", StringComparison.Ordinal)).Select(line => line.Trim('|').Split('|'))
        .Where(cells => cells.Length == 8 && Term().IsMatch(cells[1].Split('+')[0].Trim()))
        .ToDictionary(cells => cells[0].Trim(), cells => cells[1..]);

    [GeneratedRegex(@"^(?<n>-?\d+)(?<layers> L)?$")]
    private static partial Regex Term();
}
