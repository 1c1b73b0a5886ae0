using System.Net;
using LlasaNative.Interop;
using LlasaNative.Engine;
using LlasaNative.Recognition;
using LlasaNative.Recognition.Wire;
using LlasaNative.Models;
using LlasaNative.Reporting;
using LlasaNative.Training;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace LlasaNative.Trainer.Serving;

/// <summary>The reward server: codec and recogniser behind HTTP.</summary>
/// <remarks><b>Threads:</b> any. <b>Lifetime:</b> stop it, then dispose it; it owns the models.</remarks>
internal sealed class RewardServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly LocalRecognition _recognition;
    private readonly ServerOptions _options;
    private readonly ServerMetrics _metrics = new();
    private readonly ScoringEngine _engine;
    private readonly HealthReport _health;
    private volatile bool _draining;

    private RewardServer(LocalRecognition recognition, string model, ScoringOptions scoring, ServerOptions options)
    {
        _recognition = recognition;
        _options = options;
        _engine = new ScoringEngine(recognition, options, _metrics);
        var device = NativeDevice.GetInfo();
        _health = new HealthReport
        {
            CutsLeads = true,
            Status = "ok",
            Model = model,
            Backend = device.Backend,
            Device = $"{device.DeviceName} ({device.Isa})",
            Threads = device.NumThreads,
            QueueDepth = 0,
            QueueCapacity = options.QueueCapacity,
            MaxSamples = options.MaxSamples,
            MaxCodes = options.MaxCodes,
            CodeCount = recognition.CodeCount,
            Version = LlasaVersion.Text,
        };
        _app = Build(options);
        Endpoints endpoints = new(recognition, scoring, model, options, _engine);
        ServerPipeline pipeline = new(options, _metrics, () => _draining);
        _app.Use(pipeline.InvokeAsync);
        _app.UseRouting();
        _app.MapPost("/score", (RequestDelegate)endpoints.ScoreAsync);
        _app.MapPost("/score_wav", (RequestDelegate)endpoints.ScoreWaveAsync);
        _app.MapPost("/score_batch", (RequestDelegate)endpoints.ScoreBatchAsync);
        _app.MapPost("/check", (RequestDelegate)endpoints.CheckAsync);
        Get("/healthz", context => ServerPipeline.WriteJsonAsync(context, Health, WireJson.Default.HealthReport));
        Get("/metrics", context => ServerPipeline.WriteAsync(
            context, "text/plain; version=0.0.4; charset=utf-8", _metrics.Write(_engine.Depth, options.QueueCapacity, model)));
        Get("/openapi.json", context => ServerPipeline.WriteAsync(context, "application/json", OpenApi.Document));

        // Who may GET may ask for the head alone, as load balancers do.
        void Get(string path, RequestDelegate answer) => _app.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], answer);
    }

    /// <summary>Where it listens, once started.</summary>
    public Uri Url => new(_app.Urls.First());

    /// <summary>How it is.</summary>
    public HealthReport Health => _health with { Status = _draining ? "draining" : "ok", QueueDepth = _engine.Depth };

    /// <summary>Loads the models and starts to listen.</summary>
    /// <param name="models">Codec and recogniser.</param>
    /// <param name="scoring">How the recogniser listens when a request does not say.</param>
    /// <param name="options">Everything else.</param>
    /// <exception cref="UsageException">An option is out of range, or the address cannot be listened on.</exception>
    public static async Task<RewardServer> StartAsync(ModelOptions models, ScoringOptions scoring, ServerOptions options)
    {
        options.Validate();
        var recognition = NativeEngine.LoadRecognition(models, scoring);
        RewardServer? server = null;
        try
        {
            server = new RewardServer(recognition, ModelFingerprint.Of(models), scoring, options);
            await server._app.StartAsync();
            await server.WarmUpAsync();
            return server;
        }
        catch (Exception e)
        {
            if (server is not null)
            {
                await server.DisposeAsync();
            }
            else
            {
                recognition.Dispose();
            }

            throw e is IOException ? new UsageException($"--listen {options.Address} --port {options.Port}: {e.Message}", e) : e;
        }
    }

    /// <summary>Takes nothing new, and finishes what it has within the drain time.</summary>
    /// <returns>Whether everything was finished.</returns>
    public async Task<bool> StopAsync()
    {
        _draining = true;
        using CancellationTokenSource limit = new(_options.DrainTimeout);
        await _app.StopAsync(limit.Token);
        return !limit.IsCancellationRequested;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _engine.Dispose();
        _recognition.Dispose();
    }

    /// <summary>Has the code compiled that requests need, so that the first ones are as quick as the others.</summary>
    private async Task WarmUpAsync()
    {
        await _engine.ScoreAsync(new ScoringJob { Codes = [[0]], Leads = [0], Texts = ["a"], Recogniser = _recognition.Recogniser });
        using HttpClient http = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = Reachable(Url) };
        using var response = await http.GetAsync(new Uri("healthz", UriKind.Relative));
    }

    /// <summary>An address that this machine reaches itself under: 0.0.0.0 and [::] are none.</summary>
    private Uri Reachable(Uri url) => new UriBuilder(url)
    {
        Host = _options.Address.Equals(IPAddress.Any) ? "127.0.0.1" : _options.Address.Equals(IPAddress.IPv6Any) ? "[::1]" : url.Host,
    }.Uri;

    private static WebApplication Build(ServerOptions options)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = "llasa", ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        // Signals are the command's business: it drains first.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
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

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
