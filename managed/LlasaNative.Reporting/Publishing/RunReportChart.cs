namespace LlasaNative.Reporting.Publishing;

/// <summary>The character error rate of every run as bars with their 95 % intervals, beside the numbers they are drawn of: part of the page.</summary>
internal static class RunReportChart
{
    private const int Column = 128;
    private const int Left = 56;
    private const int Right = 12;
    private const int Top = 26;
    private const int Height = 330;
    private const int Bottom = 286;
    private const int LongestName = 17;
    private static readonly double[] Steps = [1, 2, 5, 10];

    // By the ear that rewards, and by one that does not.
    private static readonly (string Key, string CssClass, string Name)[] Ears = [("cer", "own", "by the recogniser that rewards"), ("second_cer", "second", "by the second ear")];

    /// <summary>Appends chart and table; nothing where nothing was evaluated.</summary>
    public static void Append(StringBuilder html, RunReport report)
    {
        (string CssClass, string Name, IReadOnlyList<PairedEstimate> Estimates)[] ears =
            [.. Ears.Select(ear => (ear.CssClass, ear.Name, report.Rows.FirstOrDefault(r => r.Key == ear.Key).Estimates)).Where(ear => ear.Estimates is not null)];
        if (ears.Length == 0)
        {
            return;
        }

        html.Append("<section>\n<h2>Character error rate</h2>\n<div class=\"beside\">\n<figure>\n");
        Draw(html, report, ears);
        html.Append("<figcaption>Lower is better; lines end where 95 % intervals do.")
            .Append(ears.Length > 1 ? string.Concat(ears.Select(ear => $" <span class=\"key {ear.CssClass}\"></span>{ear.Name}")) : "").Append("</figcaption>\n</figure>\n")
            .Append("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Character error rate\"><table class=\"numbers\">\n<tr><th scope=\"col\"></th>")
            .Append(string.Concat(ears.Select(ear => $"<th scope=\"col\">{ear.Name}</th>"))).Append("</tr>\n");
        foreach (var (i, run) in report.Runs.Index())
        {
            html.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">{Text(run.Name)}</th>{string.Concat(ears.Select(ear => $"<td>{Said(ear.Estimates[i].After)}</td>"))}</tr>\n");
        }

        html.Append("</table></div>\n</div>\n</section>\n");
    }

    private static void Draw(StringBuilder html, RunReport report, (string CssClass, string Name, IReadOnlyList<PairedEstimate> Estimates)[] ears)
    {
        var width = Left + (report.Runs.Count * Column) + Right;
        var highest = ears.SelectMany(e => e.Estimates).SelectMany(e => new[] { e.After.High, e.After.Value }).Where(double.IsFinite).DefaultIfEmpty(0).Max();
        var step = Step(highest);
        var top = Math.Max(1, Math.Ceiling(highest / step)) * step;
        double Y(double value) => Bottom - ((Bottom - Top) * Math.Max(0, value) / top);
        html.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {width} {Height}\" role=\"img\" aria-labelledby=\"errors-title errors-text\" class=\"chart errors\" style=\"max-width:{width * 1.25:F0}px\">")
            .Append("<title id=\"errors-title\">Bar chart of the character error rate of each run</title><desc id=\"errors-text\">")
            .Append(string.Join("; ", report.Runs.Select((run, i) => $"{Text(run.Name)}: {string.Join(", ", ears.Select(ear => Said(ear.Estimates[i].After) + (ears.Length > 1 ? " " + ear.Name : "")))}"))).Append("</desc>");
        for (var tick = 0; tick * step <= top + (step / 2); tick++)
        {
            html.Append(CultureInfo.InvariantCulture, $"<line class=\"grid\" x1=\"{Left}\" x2=\"{width - Right}\" y1=\"{Y(tick * step):F1}\" y2=\"{Y(tick * step):F1}\"/>")
                .Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{Left - 8}\" y=\"{Y(tick * step) + 4:F1}\" text-anchor=\"end\">{100 * tick * step:0.###} %</text>");
        }

        foreach (var (i, run) in report.Runs.Index())
        {
            var middle = Left + ((i + 0.5) * Column);
            var bar = ears.Length > 1 ? 44 : 64;
            foreach (var (e, ear) in ears.Index())
            {
                Bar(html, ear.Estimates[i].After, middle + ((e - ((ears.Length - 1) / 2.0)) * (bar + 8)), bar, ear.CssClass, Y);
            }

            html.Append(CultureInfo.InvariantCulture, $"<text class=\"name\" x=\"{middle:F1}\" y=\"{Bottom + 24}\" text-anchor=\"middle\">{Text(run.Name.Length > LongestName ? run.Name[..(LongestName - 1)] + "…" : run.Name)}</text>");
        }

        html.Append("</svg>\n");
    }

    private static void Bar(StringBuilder html, IntervalEstimate value, double x, double width, string cssClass, Func<double, double> y)
    {
        if (!double.IsFinite(value.Value))
        {
            html.Append(CultureInfo.InvariantCulture, $"<text class=\"tick\" x=\"{x:F1}\" y=\"{Bottom - 6}\" text-anchor=\"middle\">–</text>");
            return;
        }

        html.Append(CultureInfo.InvariantCulture, $"<rect class=\"{cssClass}\" x=\"{x - (width / 2):F1}\" y=\"{y(value.Value):F1}\" width=\"{width:F0}\" height=\"{Bottom - y(value.Value):F1}\"/>")
            .Append(CultureInfo.InvariantCulture, $"<path class=\"whisker\" d=\"M{x:F1} {y(value.Low):F1}V{y(value.High):F1}M{x - 7:F1} {y(value.Low):F1}h14M{x - 7:F1} {y(value.High):F1}h14\"/>")
            .Append(CultureInfo.InvariantCulture, $"<text class=\"value\" x=\"{x:F1}\" y=\"{y(Math.Max(value.High, value.Value)) - 7:F1}\" text-anchor=\"middle\">{(100 * value.Value).ToString(value.Value < 0.1 ? "0.0#" : "0.0", CultureInfo.InvariantCulture)} %</text>");
    }

    /// <summary>1, 2 or 5 times a power of ten, of which the highest value takes five at most.</summary>
    private static double Step(double highest)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(Math.Max(highest, 0.001) / 5)));
        return Steps.Select(m => m * power).First(s => s * 5 >= Math.Max(highest, 0.001) * (1 - 1e-9));
    }

    private static string Said(IntervalEstimate value) => double.IsNaN(value.Value) ? "–"
        : string.Create(CultureInfo.InvariantCulture, $"{100 * value.Value:0.0#} % ({100 * value.Low:0.0#} to {100 * value.High:0.0#})");

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
