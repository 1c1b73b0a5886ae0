namespace LlasaNative.Trainer.Serving;

/// <summary>The reward server: codec and recogniser behind HTTP.</summary>
/// <remarks><b>Threads:</b> any. <b>Lifetime:</b> stop it, then dispose it; it owns the models.</remarks>
internal sealed class RewardServer : IAsyncDisposable
{
    private readonly HttpHost _host;
    private readonly LocalRecognition _recognition;
    private readonly ScoringMetrics _metrics = new();
    private readonly ScoringEngine _engine;
    private readonly HealthReport _health;

    private RewardServer(LocalRecognition recognition, string model, ScoringOptions scoring, ServerOptions options)
    {
        _recognition = recognition;
        _engine = new ScoringEngine(recognition, options, _metrics);
        var device = NativeDevice.GetInfo();
        _health = new HealthReport(
            "ok", model, device.Backend, $"{device.DeviceName} ({device.Isa})", QueueDepth: 0, options.QueueCapacity, options.MaxSamples,
            options.MaxCodes, recognition.CodeCount, LlasaVersion.Text, device.NumThreads, CutsLeads: true);
        Endpoints endpoints = new(recognition, scoring, model, options, _engine);
        _host = new HttpHost(options, _metrics, new ProblemBody());
        _host.Post("/score", endpoints.ScoreAsync);
        _host.Post("/score_wav", endpoints.ScoreWaveAsync);
        _host.Post("/score_batch", endpoints.ScoreBatchAsync);
        _host.Post("/check", endpoints.CheckAsync);
        // Health is for whoever watches over the process.
        _host.Get("/healthz", context => ServerPipeline.WriteJsonAsync(context, Health, WireJson.Default.HealthReport), open: true);
        _host.Get("/metrics", context => ServerPipeline.WriteAsync(
            context, "text/plain; version=0.0.4; charset=utf-8", _metrics.Write(_engine.Depth, options.QueueCapacity, model)));
        // A test keeps it in step with the endpoints and their bodies.
        var document = EmbeddedText.Read(typeof(RewardServer).Assembly, "LlasaNative.Trainer.openapi.json");
        _host.Get("/openapi.json", context => ServerPipeline.WriteAsync(context, "application/json", document));
    }

    /// <summary>Where it listens, once started.</summary>
    public Uri Url => _host.Url;

    /// <summary>How it is.</summary>
    public HealthReport Health => _health with { Status = _host.IsDraining ? "draining" : "ok", QueueDepth = _engine.Depth };

    /// <summary>Loads the models and starts to listen.</summary>
    /// <param name="scoring">How the recogniser listens when a request does not say.</param>
    /// <exception cref="UsageException">An option is out of range, or the address cannot be listened on.</exception>
    public static async Task<RewardServer> StartAsync(ModelOptions models, ScoringOptions scoring, ServerOptions options)
    {
        options.Validate();
        var recognition = NativeEngine.LoadRecognition(models, scoring);
        RewardServer? server = null;
        try
        {
            server = new RewardServer(recognition, ModelFingerprint.Of(models), scoring, options);
            await server._host.StartAsync();
            await server.WarmUpAsync();
            return server;
        }
        catch
        {
            if (server is not null)
            {
                await server.DisposeAsync();
            }
            else
            {
                recognition.Dispose();
            }

            throw;
        }
    }

    /// <inheritdoc cref="HttpHost.StopAsync"/>
    public Task<bool> StopAsync() => _host.StopAsync();

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _engine.Dispose();
        _recognition.Dispose();
    }

    /// <summary>Has the code compiled that requests need, so that the first ones are as quick as the others.</summary>
    private async Task WarmUpAsync()
    {
        await _engine.ScoreAsync(new ScoringJob { Codes = [[0]], Leads = [0], Texts = ["a"], Recogniser = _recognition.Recogniser });
        using HttpClient http = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = _host.Reachable };
        using var response = await http.GetAsync(new Uri("healthz", UriKind.Relative));
    }
}
