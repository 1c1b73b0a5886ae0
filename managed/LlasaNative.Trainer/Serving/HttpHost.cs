using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace LlasaNative.Trainer.Serving;

/// <summary>Kestrel as the servers run it: its limits, its routes behind one pipeline, and an orderly end.</summary>
/// <remarks><b>Threads:</b> any. <b>Lifetime:</b> stop it, then dispose it.</remarks>
internal sealed class HttpHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpOptions _options;
    private readonly HttpMetrics _metrics;
    private readonly ServerPipeline _pipeline;
    private volatile bool _draining;

    /// <summary>Prepares a server without routes.</summary>
    /// <param name="options">Where it listens, and its limits.</param>
    /// <param name="errors">How clients are told of errors.</param>
    public HttpHost(HttpOptions options, HttpMetrics metrics, IErrorBody errors)
    {
        (_options, _metrics) = (options, metrics);
        _app = Build(options);
        _pipeline = new ServerPipeline(options, metrics, errors, () => _draining);
        _app.Use(_pipeline.InvokeAsync);
        _app.UseRouting();
    }

    /// <summary>Where it listens, once started.</summary>
    public Uri Url => new(_app.Urls.First());

    /// <summary>Whether it takes nothing new.</summary>
    public bool IsDraining => _draining;

    /// <summary>An address that this machine reaches it under: 0.0.0.0 and [::] are none.</summary>
    public Uri Reachable => new UriBuilder(Url)
    {
        Host = _options.Address.Equals(IPAddress.Any) ? "127.0.0.1" : _options.Address.Equals(IPAddress.IPv6Any) ? "[::1]" : Url.Host,
    }.Uri;

    /// <summary>Answers to <c>POST</c>.</summary>
    public void Post(string path, RequestDelegate answer)
    {
        _pipeline.Add(path, open: false);
        _app.MapPost(path, answer);
    }

    /// <summary>Answers to <c>GET</c>; who may do that may ask for the head alone, as load balancers do.</summary>
    /// <param name="open">Whether no token is needed: for what says nothing that needs protection.</param>
    public void Get(string path, RequestDelegate answer, bool open = false)
    {
        _pipeline.Add(path, open);
        _app.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], answer);
    }

    /// <summary>Starts to listen.</summary>
    /// <exception cref="UsageException">The address cannot be listened on.</exception>
    public async Task StartAsync()
    {
        try
        {
            await _app.StartAsync();
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            throw new UsageException($"--listen {_options.Address} --port {_options.Port}: {e.Message}", e);
        }
    }

    /// <summary>Takes nothing new, and finishes what it has within the drain time.</summary>
    /// <returns>Whether everything was finished; without requests at hand it is, also in no time.</returns>
    public async Task<bool> StopAsync()
    {
        _draining = true;
        var atHand = _metrics.InFlight;
        using CancellationTokenSource limit = new(_options.DrainTimeout);
        await _app.StopAsync(limit.Token);
        return atHand == 0 || !limit.IsCancellationRequested;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static WebApplication Build(HttpOptions options)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = "llasa", ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        // Signals are the command's business: it drains first.
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = options.DrainTimeout);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = 2048;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5));
            kestrel.Listen(new IPEndPoint(options.Address, options.Port));
        });
        return builder.Build();
    }
}
