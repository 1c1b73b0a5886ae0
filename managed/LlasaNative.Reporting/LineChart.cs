using LlasaNative.Data;

namespace LlasaNative.Reporting;

/// <summary>A curve over steps as inline SVG: raw points pale, their moving mean strong.</summary>
public static class LineChart
{
    private const int Width = 640;
    private const int Height = 260;
    private const int Left = 52;
    private const int Right = 12;
    private const int Top = 14;
    private const int Bottom = 34;

    /// <summary>Draws a curve.</summary>
    /// <param name="title">Also the accessible name.</param>
    /// <param name="values">One per step from 1 on; NaN are left out.</param>
    /// <param name="cssClass">Class that colours it.</param>
    /// <param name="window">Steps of the moving mean.</param>
    public static string ToSvg(string title, IReadOnlyList<double> values, string cssClass, int window = 15)
    {
        ArgumentNullException.ThrowIfNull(values);
        double[] finite = [.. values.Where(double.IsFinite)];
        if (finite.Length == 0)
        {
            return "";
        }

        var (low, high) = Range(finite.Min(), finite.Max());
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\" aria-label=\"{WebUtility.HtmlEncode(title)}\" class=\"chart {cssClass}\">");
        for (var tick = 0; tick <= 4; tick++)
        {
            var value = low + ((high - low) * tick / 4);
            var y = Y(value, low, high);
            svg.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:F1}\" y2=\"{y:F1}\"/>")
                .Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{Left - 8}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{value:0.00#}</text>");
        }

        foreach (var step in new[] { 1, (values.Count + 1) / 2, values.Count }.Distinct())
        {
            var anchor = step == values.Count ? "end" : step == 1 ? "start" : "middle";   // labels at the ends stay inside the picture
            svg.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{X(step - 1, values.Count):F1}\" y=\"{Height - 12}\" text-anchor=\"{anchor}\">step {step}</text>");
        }

        svg.Append(CultureInfo.InvariantCulture, $"<path class=\"raw\" d=\"{Path(values, low, high)}\"/><path class=\"mean\" d=\"{Path(MovingMean(values, window), low, high)}\"/></svg>");
        return svg.ToString();
    }

    /// <summary>Mean over the last steps up to a window, NaN left out.</summary>
    /// <param name="values">One per step.</param>
    /// <param name="window">At least 1.</param>
    internal static double[] MovingMean(IReadOnlyList<double> values, int window) =>
        [.. Enumerable.Range(0, values.Count).Select(i =>
            values.Skip(Math.Max(0, i - window + 1)).Take(Math.Min(window, i + 1)).FiniteMean())];

    private static (double Low, double High) Range(double low, double high)
    {
        var margin = high > low ? (high - low) * 0.06 : Math.Max(Math.Abs(high) * 0.1, 0.01);
        return (low >= 0 ? Math.Max(0, low - margin) : low - margin, high + margin);
    }

    private static double X(int index, int count) => Left + ((Width - Left - Right) * (count > 1 ? (double)index / (count - 1) : 0.5));

    private static double Y(double value, double low, double high) => Top + ((Height - Top - Bottom) * (1 - ((value - low) / (high - low))));

    private static string Path(IReadOnlyList<double> values, double low, double high)
    {
        StringBuilder path = new();
        var drawing = false;
        for (var i = 0; i < values.Count; i++)
        {
            if (!double.IsFinite(values[i]))
            {
                drawing = false;
                continue;
            }

            path.Append(CultureInfo.InvariantCulture, $"{(drawing ? 'L' : 'M')}{X(i, values.Count):F1} {Y(values[i], low, high):F1}");
            drawing = true;
        }

        return path.ToString();
    }
}
