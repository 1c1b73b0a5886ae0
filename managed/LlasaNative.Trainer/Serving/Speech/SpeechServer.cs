namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>The speech server: policy and codec behind OpenAI's HTTP API.</summary>
/// <remarks><b>Threads:</b> any. <b>Lifetime:</b> stop it, then dispose it; it owns the models.</remarks>
internal sealed class SpeechServer : IAsyncDisposable
{
    private readonly HttpHost _host;
    private readonly PolicyModel _policy;
    private readonly SpeechCodec _codec;
    private readonly VoiceShelf _voices;
    private readonly SpeechEngine _engine;
    private readonly SpeechHealth _health;

    private SpeechServer(PolicyModel policy, SpeechCodec codec, VoiceShelf voices, SpeechEngine engine, SpeechMetrics metrics, SpeechOptions options)
    {
        (_policy, _codec, _voices, _engine) = (policy, codec, voices, engine);
        var device = NativeDevice.GetInfo();
        var folder = new DirectoryInfo(policy.Path);
        var name = options.ModelName.Length > 0 ? options.ModelName : folder.Name;
        _health = new SpeechHealth(
            "ok", name, device.Backend, $"{device.DeviceName} ({device.Isa})", device.NumThreads, 0, options.QueueCapacity, 0, codec.SampleRate, LlasaVersion.Text);
        ModelEntry model = new(name, "model", new DateTimeOffset(folder.LastWriteTimeUtc).ToUnixTimeSeconds(), "llasa");
        SpeechEndpoints endpoints = new(policy, codec, voices, model, options, engine, metrics);
        _host = new HttpHost(options, metrics, new OpenAiError());
        _host.Post("/v1/audio/speech", endpoints.SpeakAsync);
        _host.Get("/v1/models", endpoints.ListModelsAsync);
        _host.Get("/v1/models/{id}", endpoints.DescribeModelAsync);
        _host.Get("/v1/audio/voices", endpoints.ListVoicesAsync);
        _host.Post("/v1/audio/voices", endpoints.AddVoiceAsync);
        SpeechPage.Add(_host);
        // Health is for whoever watches over the process.
        _host.Get("/healthz", context => ServerPipeline.WriteJsonAsync(context, Health, SpeechJson.Default.SpeechHealth), open: true);
        _host.Get("/metrics", context => ServerPipeline.WriteAsync(
            context, "text/plain; version=0.0.4; charset=utf-8", metrics.Write(engine.Depth, options.QueueCapacity, name)));
    }

    /// <summary>Where it listens, once started.</summary>
    public Uri Url => _host.Url;

    /// <summary>How it is.</summary>
    public SpeechHealth Health => _health with { Status = _host.IsDraining ? "draining" : "ok", QueueDepth = _engine.Depth, Speaking = _engine.Speaking };

    /// <summary>Loads the models and starts to listen.</summary>
    /// <param name="models">Policy and codec; the recogniser is loaded for voices without a text alone.</param>
    /// <exception cref="UsageException">An option is out of range, or the address cannot be listened on.</exception>
    public static async Task<SpeechServer> StartAsync(ModelOptions models, Text.PromptOptions? prompt, ScoringOptions scoring, SpeechOptions options)
    {
        options.Validate();
        // Before the policy is loaded: an encoder and a policy need not be in memory at once.
        var voices = VoiceShelf.Load(options.Voices, models, scoring, options.AllowUpload);
        PolicyModel? policy = null;
        SpeechCodec? codec = null;
        SpeechEngine? engine = null;
        SpeechServer? server = null;
        try
        {
            policy = PolicyModel.Load(models.Policy, prompt, models.PolicyType, frozen: true);
            var speaker = policy;
            voices.Require(voice => speaker.EncodePrompt("a", SpeechReading.LeastTokens, 0, voice));
            codec = SpeechCodec.Load(models.Codec, type: models.ScoringType);
            SpeechMetrics metrics = new();
            engine = new SpeechEngine(policy, codec, options, metrics);
            server = new SpeechServer(policy, codec, voices, engine, metrics, options);
            await server.WarmUpAsync();
            await server._host.StartAsync();
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
                engine?.Dispose();
                codec?.Dispose();
                policy?.Dispose();
                voices.Dispose();
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
        _policy.Dispose();
        _codec.Dispose();
        _voices.Dispose();
    }

    /// <summary>Has the code compiled and the memory taken that requests need, so that the first ones are as quick as the others.</summary>
    private async Task WarmUpAsync()
    {
        SpeechJob job = new()
        {
            Text = new EncodedText("a", _policy.EncodePrompt("a", 8)), Sampling = new SamplingSettings { MaxNewTokens = 8 }, Id = 0,
        };
        _engine.Speak(job);
        await foreach (var part in job.Sound.ReadAllAsync())
        {
            _ = part;
        }
    }
}
