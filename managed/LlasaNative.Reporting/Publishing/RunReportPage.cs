using LlasaNative.Reporting.Rating;

namespace LlasaNative.Reporting.Publishing;

/// <summary>The files of a report: a page that needs nothing else, and its numbers.</summary>
public static class RunReportPage
{
    /// <summary>The page.</summary>
    /// <param name="report">What was measured.</param>
    public static string ToHtml(RunReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        StringBuilder html = new();
        HtmlParts.Begin(html, string.Join(", ", report.Runs.Select(r => r.Name)));
        html.Append(CultureInfo.InvariantCulture, $"<header><h1>{Text(string.Join(", ", report.Runs.Select(r => r.Name)))}</h1>\n<p>Made by <code>{Text(report.Command)}</code>. ")
            .Append("Intervals hold 95 % of the bootstrap resamples of the texts, the same for all; differences are from the first column.</p></header>\n");
        RunReportChart.Append(html, report);
        Table(html, "Measured", report, report.Rows.Select(row => (Text(Title(row.Title, row.Unit)), row.Estimates.Select((e, i) => Cell(row.Key, e, i > 0)))));
        Table(html, "Several samples of a text", report, report.Runs.All(r => r.SamplesPerText < 2) ? [] :
        [
            ("different samples of a text, share", report.Runs.Select(r => Plain(RunReport.Different(r)))),
            ("spread of duration among a text's samples, s", report.Runs.Select(r => Plain(RunReport.Spread(r, "seconds")))),
            ("spread among a text's samples of the spread of pitch, semitones", report.Runs.Select(r => Plain(RunReport.Spread(r, "f0_semitones")))),
        ]);
        foreach (var (directory, said) in report.Ratings)
        {
            Rated(html, directory, said);
        }

        Table(html, "Costs", report,
        [
            ("steps", report.Runs.Select(r => Plain(r.Steps))),
            ("hours of steps", report.Runs.Select(r => Plain(r.Hours))),
            ("tokens drawn or trained on", report.Runs.Select(r => Plain(r.Tokens))),
            ("skipped updates, samples nobody could listen to", report.Runs.Select(r => Plain(r.Failures))),
        ]);
        string[] keys = [.. report.Runs.SelectMany(r => r.Settings.Keys).Distinct()];
        Table(html, "Settings", report, keys.Where(key => report.Runs.Any(r => Setting(r, key).Length > 0))
            .OrderBy(key => report.Runs.Select(r => Setting(r, key)).Distinct().Count() > 1 ? 0 : 1).Select(key => (Text(key), report.Runs.Select(r => Text(Setting(r, key))))));
        HtmlParts.End(html);
        return html.ToString();
    }

    /// <summary>All numbers as JSON.</summary>
    /// <param name="report">What was measured.</param>
    public static byte[] ToJson(RunReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return JsonWriting.ToFile(new
        {
            report.Command,
            Runs = report.Runs.Select((run, i) => new
            {
                run.Name,
                Texts = run.Samples.Count / run.SamplesPerText,
                run.SamplesPerText,
                run.Drawn,
                Measures = report.Rows.ToDictionary(row => row.Key, row => new { row.Unit, Value = row.Estimates[i].After, row.Estimates[i].Difference }),
                Diversity = new
                {
                    Different = RunReport.Different(run),
                    SecondsSpread = RunReport.Spread(run, "seconds"),
                    F0SemitonesSpread = RunReport.Spread(run, "f0_semitones"),
                },
                Costs = new { run.Steps, run.Hours, run.Tokens, run.Failures },
                run.Settings,
            }),
            Ratings = report.Ratings.Select(r => new
            {
                r.Directory,
                Judgements = r.Said.Ratings.Count,
                Pairs = r.Said.Judged,
                r.Said.Alpha,
                Elo = r.Said.Policies.ToDictionary(p => p.Policy, p => p.Elo),
                Raters = r.Said.Raters.Select(rater => new { rater.Name, Judgements = rater.Count, SameAgain = rater.Consistency, rater.LeftShare }),
            }),
        });
    }

    private static void Rated(StringBuilder html, string directory, RatingSummary said)
    {
        Table(html, $"Preferred by those who listened, {Text(directory)}", ["Elo number (95 % interval)"], said.Policies.Select(p => (Text(p.Policy),
            (IEnumerable<string>)[string.Create(CultureInfo.InvariantCulture, $"{p.Elo.Value:F0} <small>({p.Elo.Low:F0} to {p.Elo.High:F0})</small>")])));
        html.Append(CultureInfo.InvariantCulture, $"<p class=\"note\">{said.Ratings.Count} judgements of {said.Judged} of {said.Pairs} pairs ({Text(directory)}); Bradley and Terry's model, mean 1000, 400 more are odds of ten to one. ")
            .Append(CultureInfo.InvariantCulture, $"Agreement between raters (Krippendorff's alpha): {Plain(said.Alpha)}. ")
            .Append(string.Join("; ", said.Raters.Select(r => string.Create(CultureInfo.InvariantCulture, $"{Text(r.Name)}: {r.Count} judgements, {Percent(r.Consistency)} the same again, {Percent(r.LeftShare)} for the left")))).Append(".</p>\n");
    }

    private static void Table(StringBuilder html, string title, RunReport report, IEnumerable<(string Title, IEnumerable<string> Cells)> rows) =>
        Table(html, title, report.Runs.Select(r => Text(r.Name)), rows);

    private static void Table(StringBuilder html, string title, IEnumerable<string> columns, IEnumerable<(string Title, IEnumerable<string> Cells)> rows)
    {
        (string Title, IEnumerable<string> Cells)[] all = [.. rows];
        if (all.Length == 0)
        {
            return;
        }

        html.Append(CultureInfo.InvariantCulture, $"<section>\n<h2>{title}</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table class=\"numbers\">\n<tr><th scope=\"col\"></th>")
            .Append(string.Concat(columns.Select(c => $"<th scope=\"col\">{c}</th>"))).Append("</tr>\n");
        foreach (var (name, cells) in all)
        {
            html.Append(CultureInfo.InvariantCulture, $"<tr><th scope=\"row\">{name}</th>{string.Concat(cells.Select(c => $"<td>{c}</td>"))}</tr>\n");
        }

        html.Append("</table></div>\n</section>\n");
    }

    private static string Cell(string key, PairedEstimate estimate, bool isCompared)
    {
        var isShare = key is "cer" or "wer" or "exact" or "second_cer" or "pause_share" or "not_ended";
        string Of(double value, string format) => double.IsNaN(value) ? "–" : (isShare ? 100 * value : value).ToString(format, CultureInfo.InvariantCulture);
        var value = $"{Of(estimate.After.Value, "0.0##")}{(isShare ? " %" : "")} <small>({Of(estimate.After.Low, "0.0##")} to {Of(estimate.After.High, "0.0##")})</small>";
        return isCompared ? $"{value}<br>{Of(estimate.Difference.Value, "+0.0##;−0.0##")} <small>({Of(estimate.Difference.Low, "+0.0##;−0.0##")} to {Of(estimate.Difference.High, "+0.0##;−0.0##")})</small>" : value;
    }

    private static string Title(string title, string unit) => unit.Length > 0 ? $"{title}, {unit}" : title;

    private static string Plain(double value) => double.IsNaN(value) ? "–" : value.ToString("#,0.###", CultureInfo.InvariantCulture);

    private static string Percent(double share) => double.IsNaN(share) ? "–" : string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0} %");

    private static string Setting(ReportedRun run, string key) => run.Settings.GetValueOrDefault(key) ?? "";

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
