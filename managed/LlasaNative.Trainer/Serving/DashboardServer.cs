using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using LlasaNative.Reporting.Dashboard;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace LlasaNative.Trainer.Serving;

/// <summary>Serves the dashboard's page and the files of its runs to this machine only.</summary>
/// <remarks>
/// Reads, never writes. What is served: the page's own files, and of each run its measurements, samples, manifest and the
/// sounds that its samples may name. Requests that name another host are refused, so that no web page can read a run by
/// having its own name resolve to this machine. <b>Threads:</b> any. Dispose stops it.
/// </remarks>
internal sealed class DashboardServer : IDisposable
{
    private readonly WebApplication _app;
    private readonly IReadOnlyList<RunFolder> _runs;

    private DashboardServer(IReadOnlyList<RunFolder> runs, int port)
    {
        _runs = runs;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 64;
            kestrel.Limits.MaxRequestBodySize = 0;
        });
        _app = builder.Build();
        _app.Run(HandleAsync);
    }

    /// <summary>Where it is to be found.</summary>
    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    /// <summary>Starts to serve.</summary>
    /// <param name="runs">The runs.</param>
    /// <param name="port">Port on the loopback interface; 0 = a free one.</param>
    /// <exception cref="LlasaException">The port cannot be had.</exception>
    public static DashboardServer Start(IReadOnlyList<RunFolder> runs, int port)
    {
        if (port is < 0 or > 65535)
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"the dashboard's port {port} is not 0 to 65535"));
        }

        DashboardServer server = new(runs, port);
        try
        {
            server._app.StartAsync().GetAwaiter().GetResult();
            return server;
        }
        catch (IOException e)
        {
            server.Dispose();
            throw new LlasaException(string.Create(CultureInfo.InvariantCulture, $"port {port} of 127.0.0.1 cannot be had: {e.Message}"), e);
        }
    }

    /// <summary>Starts to serve a run that is about to begin, when a port was named.</summary>
    /// <param name="port">The port; null = nobody asked.</param>
    /// <param name="run">Directory of the run.</param>
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

    public void Dispose()
    {
        using CancellationTokenSource soon = new(TimeSpan.FromSeconds(2));
        try
        {
            _app.StopAsync(soon.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            // A browser that will not let go of its connection.
        }

        ((IDisposable)_app).Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);
        response.Headers.ContentSecurityPolicy = DashboardPage.ContentSecurityPolicy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers["Cross-Origin-Resource-Policy"] = "same-origin";
        response.Headers.CacheControl = "no-store";
        if (request.Host.Host is not ("127.0.0.1" or "localhost" or "[::1]"))
        {
            response.StatusCode = StatusCodes.Status421MisdirectedRequest;
        }
        else if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            response.Headers.Allow = "GET, HEAD";
        }
        else
        {
            try
            {
                await AnswerAsync(context, (request.Path.Value ?? "/").TrimStart('/').Split('/'));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException && !response.HasStarted)
            {
                response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                await response.WriteAsync(e.Message.ReplaceLineEndings(" "), context.RequestAborted);
            }
        }
    }

    private Task AnswerAsync(HttpContext context, string[] path) => path switch
    {
        [""] => SendAsync(context, "text/html; charset=utf-8", Encoding.UTF8.GetBytes(DashboardPage.ToHtml())),
        [var file] when DashboardPage.Assets.Contains(file) => SendAsync(
            context, file.EndsWith(".css", StringComparison.Ordinal) ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8",
            Encoding.UTF8.GetBytes(DashboardPage.ReadAsset(file))),
        ["api", "runs"] => SendJsonAsync(context, WriteRuns),
        ["api", "runs", var id, "manifest"] when Run(id) is { } run => SendJsonAsync(context, json => DashboardPage.WriteManifest(json, run)),
        ["api", "runs", var id, "metrics"] when Run(id) is { } run => SendJsonAsync(context, json => run.WriteMetrics(json, Number(context, "epoch"), Number(context, "from"))),
        ["api", "runs", var id, "index"] when Run(id) is { } run => SendJsonAsync(context, json => run.WriteIndex(json, Number(context, "epoch"), Number(context, "from"))),
        ["api", "runs", var id, "samples"] when Run(id) is { } run => SendJsonAsync(context, json => WriteSamples(json, run, Number(context, "first"), Number(context, "count"))),
        ["api", "runs", var id, "sounds", var name] when Run(id)?.FindSound(name) is { } sound =>
            TypedResults.PhysicalFile(sound, "audio/wav", enableRangeProcessing: true).ExecuteAsync(context),
        _ => NotFound(context),
    };

    private void WriteRuns(Utf8JsonWriter json)
    {
        json.WriteStartArray("runs");
        foreach (var run in _runs)
        {
            json.WriteStartObject();
            run.WriteState(json);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteSamples(Utf8JsonWriter json, RunFolder run, int first, int count)
    {
        json.WriteStartArray("rows");
        foreach (var line in first >= 0 && count >= 0 ? run.ReadSamples(first, count) : [])
        {
            json.WriteRawValue(line);
        }

        json.WriteEndArray();
    }

    private RunFolder? Run(string id) =>
        int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < _runs.Count ? _runs[number] : null;

    /// <summary>A number of the query; -1 when it is missing or none.</summary>
    private static int Number(HttpContext context, string name) =>
        int.TryParse(context.Request.Query[name], NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;

    private static Task SendJsonAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return SendAsync(context, "application/json", stream.ToArray());
    }

    private static async Task SendAsync(HttpContext context, string type, byte[] body)
    {
        context.Response.ContentType = type;
        context.Response.ContentLength = body.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    private static Task NotFound(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    }
}
