using Microsoft.AspNetCore.Http;

namespace LlasaNative.Trainer.Serving;

/// <summary>Serves the dashboard's page and the files of its runs to this machine only.</summary>
/// <remarks>
/// Reads, never writes. What is served: the page's own files, and of each run its measurements, samples, manifest and the
/// sounds that its samples may name. <b>Threads:</b> any. Dispose stops it.
/// </remarks>
/// <param name="runs">The runs.</param>
/// <param name="port">Port on the loopback interface; 0 = a free one.</param>
internal sealed class DashboardServer(IReadOnlyList<RunFolder> runs, int port)
    : PageServer("the dashboard", port, DashboardPage.ContentSecurityPolicy, 0, HttpMethods.Get, HttpMethods.Head)
{
    /// <summary>Starts to serve.</summary>
    /// <inheritdoc cref="PageServer.Listen"/>
    public static DashboardServer Start(IReadOnlyList<RunFolder> runs, int port)
    {
        DashboardServer server = new(runs, port);
        server.Listen();
        return server;
    }

    /// <summary>Starts to serve a run that is about to begin, when a port was named.</summary>
    /// <param name="port">The port; null = nobody asked.</param>
    /// <param name="notice">Told where the page is.</param>
    public static DashboardServer? StartFor(int? port, string run, Action<string> notice)
    {
        if (port is not { } number)
        {
            return null;
        }

        var server = Start([new RunFolder(run, mustExist: false)], number);
        notice($"dashboard at {server.Address}");
        return server;
    }

    protected override Task AnswerAsync(HttpContext context, string[] path) => path switch
    {
        [""] => SendAsync(context, "text/html; charset=utf-8", Encoding.UTF8.GetBytes(DashboardPage.ToHtml())),
        [var file] when DashboardPage.Assets.Contains(file) => SendAsync(context, TypeOf(file), Encoding.UTF8.GetBytes(DashboardPage.ReadAsset(file))),
        ["api", "runs"] => SendJsonAsync(context, new { Runs = runs.Select(run => run.ReadState()) }),
        ["api", "runs", var id, "manifest"] when Run(id) is { } run => SendJsonAsync(context, new { Manifest = run.ReadManifest() }),
        ["api", "runs", var id, "metrics"] when Run(id) is { } run => SendJsonAsync(context, run.ReadMetrics(Number(context, "epoch"), Number(context, "from"))),
        ["api", "runs", var id, "index"] when Run(id) is { } run => SendJsonAsync(context, run.ReadIndex(Number(context, "epoch"), Number(context, "from"))),
        ["api", "runs", var id, "samples"] when Run(id) is { } run => SendJsonAsync(context, new { Rows = Samples(run, Number(context, "first"), Number(context, "count")) }),
        ["api", "runs", var id, "sounds", var name] when Run(id)?.FindSound(name) is { } sound =>
            TypedResults.PhysicalFile(sound, "audio/wav", enableRangeProcessing: true).ExecuteAsync(context),
        _ => NotFound(context),
    };

    private static IReadOnlyList<JsonElement> Samples(RunFolder run, int first, int count) => first >= 0 && count >= 0 ? run.ReadSamples(first, count) : [];

    private RunFolder? Run(string id) =>
        int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < runs.Count ? runs[number] : null;

    /// <summary>A number of the query; -1 when it is missing or none.</summary>
    private static int Number(HttpContext context, string name) =>
        int.TryParse(context.Request.Query[name], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;
}
