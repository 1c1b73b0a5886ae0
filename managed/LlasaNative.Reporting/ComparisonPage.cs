namespace LlasaNative.Reporting;

/// <summary>The files of a comparison: a page to listen to that needs nothing else, and numbers.</summary>
public static class ComparisonPage
{
    /// <summary>The page.</summary>
    /// <param name="report">What was compared.</param>
    public static string ToHtml(ComparisonReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        StringBuilder html = new();
        var (before, after) = (WebUtility.HtmlEncode(report.Before), WebUtility.HtmlEncode(report.After));
        HtmlParts.Begin(html, $"{report.Before} and {report.After}");
        html.Append(CultureInfo.InvariantCulture, $"<header><h1>{before} and {after}</h1>\n<p>{report.Texts} texts, {report.SamplesPerText} samples each, with the same random numbers. ")
            .Append("Intervals hold 95 % of 10,000 paired bootstrap resamples of the texts.").Append(HtmlParts.SecondEarNote(report.SecondEar)).Append("</p></header>\n")
            .Append("<figure class=\"picture\">").Append(ComparisonChart.Draw(report).ToSvg()).Append("</figure>\n");
        AppendTable(html, report, before, after);
        html.Append("<section>\n<h2>The same texts</h2>\n<p class=\"note\">The first texts, not a selection. What the recogniser heard: <mark>wrong or extra</mark>, <del>missing</del>.</p>\n");
        HtmlParts.AppendPairs(html, report.Pairs, report.Before, report.After);
        html.Append("</section>\n");
        HtmlParts.End(html);
        return html.ToString();
    }

    /// <summary>All numbers as JSON.</summary>
    /// <param name="report">What was compared.</param>
    public static byte[] ToJson(ComparisonReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return JsonWriting.ToFile(new
        {
            report.Before,
            report.After,
            report.Texts,
            report.SamplesPerText,
            report.Seed,
            report.SecondEar,
            Measures = report.Measures.ToDictionary(m => m.Key, m => new
            {
                m.Unit,
                SamplesBefore = m.Samples.Before,
                SamplesAfter = m.Samples.After,
                m.Estimate.Before,
                m.Estimate.After,
                m.Estimate.Difference,
            }),
        });
    }

    private static void AppendTable(StringBuilder html, ComparisonReport report, string before, string after)
    {
        html.Append(CultureInfo.InvariantCulture, $"<section>\n<h2>Measured</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Measured\"><table class=\"numbers\">\n<tr><th scope=\"col\">measure</th><th scope=\"col\">{before}</th><th scope=\"col\">{after}</th><th scope=\"col\">difference</th><th scope=\"col\">95 % interval</th></tr>\n");
        foreach (var m in report.Measures)
        {
            var difference = m.Estimate.Difference;
            var few = Math.Min(m.Samples.Before, m.Samples.After) < report.Texts * report.SamplesPerText
                ? string.Create(CultureInfo.InvariantCulture, $" <small>({m.Samples.Before} and {m.Samples.After} samples)</small>")
                : "";
            html.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">{m.Title}{(m.Unit.Length > 0 ? ", " + m.Unit : "")}{few}</th><td>{ComparisonChart.Format(m, m.Estimate.Before.Value)}</td><td>{ComparisonChart.Format(m, m.Estimate.After.Value)}</td>")
                .Append(CultureInfo.InvariantCulture, $"<td>{ComparisonChart.Format(m, difference.Value, sign: true)}</td><td>{ComparisonChart.FormatInterval(m, difference)}</td></tr>\n");
        }

        html.Append("</table></div>\n</section>\n");
    }
}
