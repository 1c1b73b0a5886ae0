using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text.Json.Serialization.Metadata;

namespace LlasaNative.Recognition.Remote;

/// <summary>Reward servers that listen in place of models in this process.</summary>
/// <remarks>
/// <para>Samples that are given together are scored together, by one server and with no others, so the results have the same
/// bits as those of the same models in this process. A request that fails for a reason that may pass is sent again, to another
/// server if there is one; when that does not help, its samples come back as failed, never with a made-up number.</para>
/// <para><b>Threads:</b> any. <b>Lifetime:</b> dispose it once everything asked of it has come back.</para>
/// </remarks>
/// <example>
/// <code>
/// RewardServerOptions options = new() { Servers = "http://localhost:8001" };
/// using RemoteRecognition recognition = RemoteRecognition.Connect(options, new ScoringOptions(), token: null, note: null, CancellationToken.None);
/// </code>
/// </example>
public sealed class RemoteRecognition : IRecognition
{
    // Room for a whole chunk with its sounds; an answer without end must not fill the memory.
    private const long LongestAnswer = 512L << 20;
    private const int TextsPerCheck = 1000;
    private const int RequestsAtOnce = 2;   // of one server: one is worked on, the next is on its way

    private readonly RewardServerOptions _options;
    private readonly ScoringRequest _scoring;
    private readonly HttpClient _http;
    private readonly ServerPool _pool;
    private readonly ConcurrentDictionary<string, string?> _checked = new();
    private string? _model;
    private bool _cutsLeads = true;

    private RemoteRecognition(RewardServerOptions options, ScoringOptions scoring, string? token)
    {
        _options = options;
        _scoring = ScoringRequest.From(scoring);
        BatchSize = scoring.BatchSize;
        // The time limit is that of each request; proxies are for the web, reward servers are near.
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(10) })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LongestAnswer,
        };
        if (token is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        var limit = TimeSpan.FromSeconds(options.TimeoutSeconds);
        _pool = new ServerPool([.. options.Urls.Select(u => new ServerEndpoint(new Uri(u.TrimEnd('/') + "/"), _http, limit))], RequestsAtOnce);
    }

    /// <inheritdoc/>
    public int CodeCount { get; private set; }

    /// <inheritdoc/>
    public int BatchSize { get; }

    /// <inheritdoc/>
    public bool WorksBesidePolicy => true;

    /// <inheritdoc/>
    public string Name => $"the reward server {_options.Servers}";

    /// <summary>Asks every server how it is.</summary>
    /// <param name="options">Where they are; at least one URL.</param>
    /// <param name="scoring">How the recogniser is to listen.</param>
    /// <param name="token">What servers want to be presented with; may be null.</param>
    /// <param name="note">Told of servers that do not answer while others do; may be null.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="UsageException">The servers have different models, or cannot take a batch of the wanted size.</exception>
    /// <exception cref="RewardUnavailableException">None answers.</exception>
    public static RemoteRecognition Connect(
        RewardServerOptions options, ScoringOptions scoring, string? token, Action<string>? note, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(scoring);
        ArgumentOutOfRangeException.ThrowIfZero(options.Urls.Count, nameof(options));
        RemoteRecognition recognition = new(options, scoring, token);
        try
        {
            recognition.ConnectAsync(note, cancellation).GetAwaiter().GetResult();
            return recognition;
        }
        catch
        {
            recognition.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void CheckText(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Announce([text]);
        if (_checked[text] is { } fault)
        {
            throw new UsageException(fault);
        }
    }

    /// <inheritdoc/>
    public void Announce(IReadOnlyCollection<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        foreach (var some in texts.Where(t => !_checked.ContainsKey(t)).Distinct().Chunk(TextsPerCheck))
        {
            CheckRequest request = new(some, _scoring);
            CheckResponse response;
            try
            {
                response = AskAsync("check", request, WireJson.Default.CheckRequest, WireJson.Default.CheckResponse, CancellationToken.None).GetAwaiter().GetResult();
            }
            catch (ServerException e)
            {
                throw new RewardUnavailableException(e.Message, e);
            }

            var faults = response.Faults.ToLookup(f => f.Index, f => f.Detail);
            for (var i = 0; i < some.Length; i++)
            {
                _checked[some[i]] = faults[i].FirstOrDefault();
            }
        }
    }

    /// <inheritdoc/>
    public async Task<RecognisedChunk> RecogniseAsync(IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IReadOnlyList<int>? leads = null)
    {
        ArgumentNullException.ThrowIfNull(codes);
        ArgumentNullException.ThrowIfNull(texts);
        if (leads?.Any(lead => lead > 0) == true && !_cutsLeads)
        {
            throw new UsageException($"{Name} is of a version that knows no voice prompts (`lead`)");
        }

        BatchRequest request = new()
        {
            Samples = [.. codes.Select((c, i) => new ScoreRequest(c, texts[i]) { Lead = leads?[i] ?? 0 })],
            Scoring = _scoring,
            Sound = extras.HasFlag(RecognitionExtras.Sound),
            Prosody = extras.HasFlag(RecognitionExtras.Prosody),
        };
        try
        {
            var response = await AskAsync("score_batch", request, WireJson.Default.BatchRequest, WireJson.Default.BatchResponse, cancellation).ConfigureAwait(false);
            return new RecognisedChunk(Read(response, codes.Count), 0, 0, 0);
        }
        catch (Exception e) when (e is ServerException or FormatException)
        {
            var failed = RecognisedSample.Failed(e.Message);
            return new RecognisedChunk([.. codes.Select(_ => failed)], 0, 0, 0);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        _pool.Dispose();
    }

    private async Task ConnectAsync(Action<string>? note, CancellationToken cancellation)
    {
        var health = await Task.WhenAll(_pool.Endpoints.Select(e => HealthAsync(e, cancellation))).ConfigureAwait(false);
        List<string> faults = [];
        foreach (var (endpoint, report, failure) in health)
        {
            if (report is null)
            {
                faults.Add(failure!);
                _pool.Endpoints.First(e => e == endpoint).IsSuspect = true;
                continue;
            }

            _model ??= report.Model;
            _cutsLeads &= report.CutsLeads;
            if (report.Model != _model)
            {
                throw new UsageException($"reward_server.servers: {endpoint.Url} has the models {report.Model}, another has {_model}");
            }

            if (report.MaxSamples < BatchSize)
            {
                throw new UsageException($"{endpoint.Url} takes at most {report.MaxSamples} samples at once, recogniser.batch_size is {BatchSize}: start it with --max-samples {BatchSize}");
            }

            CodeCount = CodeCount == 0 ? report.CodeCount : Math.Min(CodeCount, report.CodeCount);
        }

        if (_model is null)
        {
            throw new RewardUnavailableException($"no reward server answers: {string.Join("; ", faults)}");
        }

        faults.ForEach(f => note?.Invoke($"a reward server does not answer: {f}"));
    }

    private async Task<(ServerEndpoint Endpoint, HealthReport? Report, string? Failure)> HealthAsync(ServerEndpoint endpoint, CancellationToken cancellation)
    {
        for (var failures = 1; ; failures++)
        {
            try
            {
                return (endpoint, await endpoint.HealthAsync(cancellation).ConfigureAwait(false), null);
            }
            catch (ServerException e)
            {
                if (!e.IsTransient || failures > _options.Retries)
                {
                    return (endpoint, null, e.Message);
                }

                await Task.Delay(Backoff.Pause(_options.BackoffSeconds, failures, e.RetryAfter), cancellation).ConfigureAwait(false);
            }
        }
    }

    private Task<TResponse> AskAsync<TRequest, TResponse>(
        string path, TRequest body, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TResponse> responseType, CancellationToken cancellation) =>
        _pool.AskAsync(endpoint => endpoint.PostAsync(path, body, requestType, responseType, cancellation), _options.Retries, _options.BackoffSeconds, cancellation);

    private RecognisedSample[] Read(BatchResponse response, int expected)
    {
        if (response.Model != _model)
        {
            throw new FormatException($"{Name} has other models than at the start: {response.Model}, was {_model}");
        }

        if (response.Results.Length != expected)
        {
            throw new FormatException($"{Name}: {response.Results.Length} results for {expected} samples");
        }

        try
        {
            return [.. response.Results.Select(r => r?.ToRecognisedSample() ?? throw new FormatException("a result is null"))];
        }
        catch (FormatException e)
        {
            throw new FormatException($"{Name}: {e.Message}", e);
        }
    }
}
