namespace LlasaNative.Reporting;

/// <summary>The demonstration's page: one HTML file that needs nothing else.</summary>
public static class DemoPage
{
    /// <summary>The page.</summary>
    /// <param name="report">What was measured.</param>
    public static string ToHtml(DemoReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        StringBuilder html = new();
        HtmlParts.Begin(html, "before and after");
        AppendHead(html, report);
        AppendResult(html, report);
        html.Append("<section class=\"charts\">\n");
        AppendChart(html, "Reward of the training samples", report.RewardCurve, "reward");
        AppendChart(html, "Character error rate of the training samples", report.CerCurve, "cer");
        html.Append("</section>\n");
        AppendPairs(html, report);
        AppendSettings(html, report);
        HtmlParts.End(html);
        return html.ToString();
    }

    /// <summary>The summary file.</summary>
    /// <param name="report">What was measured.</param>
    public static byte[] ToJson(DemoReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return JsonWriting.ToFile(new
        {
            report.CerBefore,
            report.CerAfter,
            report.RelativeReduction,
            Ci95 = new[] { report.IntervalLow, report.IntervalHigh },
            report.Sentences,
            report.SamplesPerSentence,
            ExactBefore = report.Exact.Before,
            ExactAfter = report.Exact.After,
            RewardBefore = report.Reward.Before,
            RewardAfter = report.Reward.After,
            SecondEar = report.SecondEar is not { } ear ? null : new
            {
                ear.Name,
                CerBefore = ear.Cer.Before,
                CerAfter = ear.Cer.After,
                Difference = ear.Difference.Value,
                Ci95 = new[] { ear.Difference.Low, ear.Difference.High },
                ExactBefore = ear.Exact.Before,
                ExactAfter = ear.Exact.After,
            },
            report.Seed,
            report.Steps,
            ShortRun = report.IsShort,
            report.SecondsTotal,
            report.SecondsTraining,
            report.Device,
        });
    }

    private static void AppendHead(StringBuilder html, DemoReport report) => html.Append(CultureInfo.InvariantCulture,
        $"<header><h1>{Title(report)}</h1>\n<p>{report.Steps} steps of reinforcement learning (GRPO) on the CPU, {ProgressLine.Duration(report.SecondsTraining)}: ")
        .Append("a small Llasa model speaks, X-Codec2 makes it sound, Whisper listens, and what was understood becomes the reward. ")
        .Append(CultureInfo.InvariantCulture, $"Measured on {report.Sentences} sentences it was never trained on, {report.SamplesPerSentence} samples each, with the same random numbers before and after.{HtmlParts.SecondEarNote(report.SecondEar?.Name)}</p>")
        .Append(report.IsShort ? string.Create(CultureInfo.InvariantCulture, $"<p><strong>This was a short run: {report.Steps} of the demonstration's {report.FullSteps} steps.</strong> It shows that everything works; what training achieves takes all of them.</p>") : "")
        .Append("</header>\n");

    private static string Title(DemoReport report) =>
        report.IsShort ? "A short run of training" : report.CerAfter < report.CerBefore ? "A policy that learned to speak more clearly" : "A policy before and after training";

    private static void AppendResult(StringBuilder html, DemoReport report)
    {
        var second = report.SecondEar;
        double[] rates = [report.CerBefore, report.CerAfter, second?.Cer.Before ?? 0, second?.Cer.After ?? 0];
        var scale = 100 / Math.Max(rates.Where(double.IsFinite).DefaultIfEmpty(0).Max(), 1e-9);
        AppendEar(html, "character errors", scale, (report.CerBefore, report.CerAfter), (report.IntervalLow, report.IntervalHigh), report.Exact);
        html.Append(CultureInfo.InvariantCulture, $" Mean reward: {report.Reward.Before:F3} before, {report.Reward.After:F3} after.</p>\n</div>\n</section>\n");
        if (second is not null)
        {
            AppendEar(html, "character errors, as the second ear hears them", scale, second.Cer, (second.Difference.Low, second.Difference.High), second.Exact);
            html.Append("</p>\n</div>\n</section>\n");
        }
    }

    /// <summary>What one ear heard, up to the end of its sentences; both are drawn to one scale.</summary>
    private static void AppendEar(StringBuilder html, string what, double scale, (double Before, double After) cer, (double Low, double High) interval, (double Before, double After) exact)
    {
        var reduction = cer.Before > 0 ? (cer.Before - cer.After) / cer.Before : 0;
        html.Append("<section class=\"result\">\n<div class=\"headline\">")
            .Append(CultureInfo.InvariantCulture, $"<strong>{(reduction >= 0 ? "−" : "+")}{Math.Abs(reduction):P0}</strong><span>{what}</span></div>\n<div class=\"bars\">\n")
            .Append(CultureInfo.InvariantCulture, $"<div class=\"bar before\"><b>before</b><i style=\"width:{cer.Before * scale:F1}%\"></i><span>{cer.Before:P2}</span></div>\n")
            .Append(CultureInfo.InvariantCulture, $"<div class=\"bar after\"><b>after</b><i style=\"width:{cer.After * scale:F1}%\"></i><span>{cer.After:P2}</span></div>\n")
            .Append(CultureInfo.InvariantCulture, $"<p>Difference {cer.After - cer.Before:+0.0000;−0.0000} (95 % interval {Signed(interval.Low)} to {Signed(interval.High)}, paired bootstrap over sentences). ")
            .Append(CultureInfo.InvariantCulture, $"Understood without an error: {exact.Before:P0} before, {exact.After:P0} after.");
    }

    private static string Signed(double value) => value.ToString("+0.0000;−0.0000", CultureInfo.InvariantCulture);

    private static void AppendChart(StringBuilder html, string title, IReadOnlyList<double> values, string cssClass) =>
        html.Append("<figure><figcaption>").Append(title).Append("</figcaption>").Append(LineChart.ToSvg(title, values, cssClass)).Append("</figure>\n");

    private static void AppendPairs(StringBuilder html, DemoReport report)
    {
        html.Append("<section>\n<h2>The same sentences, before and after</h2>\n<p class=\"note\">The first held-out sentences, not a selection. What the recogniser heard: "
            + "<mark>wrong or extra</mark>, <del>missing</del>.</p>\n");
        HtmlParts.AppendPairs(html, report.Pairs, "before", "after");
        html.Append("</section>\n");
    }

    private static void AppendSettings(StringBuilder html, DemoReport report)
    {
        html.Append("<section>\n<details>\n<summary>Settings</summary>\n<div class=\"scroll\"><table>\n");
        Row("device", report.Device);
        Row("seconds, total", report.SecondsTotal.ToString("F0", CultureInfo.InvariantCulture));
        Row("seconds, training", report.SecondsTraining.ToString("F0", CultureInfo.InvariantCulture));
        foreach (var (key, value) in report.Settings)
        {
            Row(key, value);
        }

        html.Append("</table></div>\n</details>\n</section>\n");

        void Row(string key, string value) =>
            html.Append("<tr><th>").Append(WebUtility.HtmlEncode(key)).Append("</th><td>").Append(WebUtility.HtmlEncode(value)).Append("</td></tr>\n");
    }
}
