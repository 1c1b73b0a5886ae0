namespace LlasaNative.Reporting.Dashboard;

/// <summary>The page that shows runs: its files for a server, or all of it as one HTML file.</summary>
public static class DashboardPage
{
    private static readonly string[] Scripts = ["dashboard-data.js", "dashboard-charts.js", "dashboard-samples.js", "dashboard-main.js"];

    /// <summary>What a served page may load: its own files, nothing else.</summary>
    public const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    /// <summary>Names of the files beside the page.</summary>
    public static IReadOnlyList<string> Assets { get; } = ["dashboard.css", .. Scripts];

    /// <summary>The page as it is served; its data come from <c>api/</c>.</summary>
    public static string ToHtml()
    {
        var scripts = string.Join('\n', Scripts.Select(s => $"<script src=\"{s}\" defer></script>"));
        return Fill("<link rel=\"stylesheet\" href=\"dashboard.css\">\n<link rel=\"icon\" href=\"data:,\">", "", scripts);
    }

    /// <summary>Text of a file beside the page.</summary>
    /// <param name="name">One of <see cref="Assets"/>.</param>
    public static string ReadAsset(string name)
    {
        if (!Assets.Contains(name))
        {
            throw new ArgumentException($"`{name}` is not a file of the page", nameof(name));
        }

        return HtmlParts.Resource(name);
    }

    /// <summary>Writes the page with everything in it: measurements, samples, and sounds.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="runs">The runs.</param>
    /// <param name="sounds">Most sounds of each run, evenly over it; they are what makes the file large.</param>
    /// <param name="made">When it was made.</param>
    /// <exception cref="IOException">A file of a run cannot be read.</exception>
    public static void Write(TextWriter output, IReadOnlyList<RunFolder> runs, int sounds, DateTimeOffset made)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(runs);
        const string policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; media-src blob:; img-src data:";
        var head = $"<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{HtmlParts.Resource("dashboard.css")}</style>";
        var page = Fill(head, "\0", string.Join('\n', Scripts.Select(s => $"<script>\n{HtmlParts.Resource(s)}</script>"))).Split('\0');
        output.Write(page[0]);
        output.Write("<script type=\"application/json\" id=\"llasa-data\">");
        output.Write(Escape(Encoding.UTF8.GetString(Data(runs, made))));
        output.Write("</script>\n");
        foreach (var (run, id) in runs.Select((r, i) => (r, i)))
        {
            WriteSamples(output, run, id);
            WriteSounds(output, run, id, sounds);
        }

        output.Write(page[1]);
    }

    private static byte[] Data(IReadOnlyList<RunFolder> runs, DateTimeOffset made) => JsonWriting.ToPage(new
    {
        Made = made.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture),
        Runs = runs.Select(run =>
        {
            run.Refresh();
            return new { run.Name, Manifest = run.ReadManifest(), Metrics = run.ReadMetrics(-1, 0), Index = run.ReadIndex(-1, 0) };
        }),
    });

    private static void WriteSamples(TextWriter output, RunFolder run, int id)
    {
        output.Write(string.Create(CultureInfo.InvariantCulture, $"<script type=\"text/plain\" id=\"samples-{id}\">\n"));
        const int batch = 500;
        for (var first = 0; first < run.SampleCount; first += batch)
        {
            foreach (var sample in run.ReadSamples(first, batch))
            {
                output.Write(Escape(sample.GetRawText()));
                output.Write('\n');
            }
        }

        output.Write("</script>\n");
    }

    private static void WriteSounds(TextWriter output, RunFolder run, int id, int most)
    {
        var all = run.Sounding;
        var count = Math.Min(most, all.Count);
        for (var i = 0; i < count; i++)
        {
            // Spread evenly, the last one included.
            var (_, path) = all[count == 1 ? all.Count - 1 : (int)((long)i * (all.Count - 1) / (count - 1))];
            var name = path.Split('/')[^1];
            if (run.FindSound(name) is { } file)
            {
                output.Write(string.Create(CultureInfo.InvariantCulture, $"<script type=\"text/plain\" id=\"sound-{id}-{WebUtility.HtmlEncode(name)}\">"));
                output.Write(Convert.ToBase64String(File.ReadAllBytes(file)));
                output.Write("</script>\n");
            }
        }
    }

    private static string Fill(string head, string data, string scripts) => HtmlParts.Resource("dashboard.html")
        .Replace("<!--head-->", head, StringComparison.Ordinal)
        .Replace("<!--data-->", data, StringComparison.Ordinal)
        .Replace("<!--scripts-->", scripts, StringComparison.Ordinal);

    /// <summary>JSON that cannot end the script element it stands in: in JSON, &lt; stands in strings only.</summary>
    private static string Escape(string json) => json.Replace("<", "\\u003c", StringComparison.Ordinal);
}
