using System.Net.Http.Headers;
using LlasaNative.Judging;
using LlasaNative.Text;

namespace LlasaNative.Recognition.Remote;

/// <summary>A model behind an OpenAI-compatible chat API that takes sound: it hears both recordings of a pair, in either order.</summary>
/// <remarks>
/// Requests are repeated and paused as those to reward servers are. What fails for good, or is answered by something else, comes back as
/// such; nothing is made up for it. The key is sent to the server alone and taken out of every message. <b>Threads:</b> any.
/// <b>Lifetime:</b> dispose it once everything asked of it has come back.
/// </remarks>
/// <example>
/// <code>
/// JudgeOptions options = new() { Url = "http://localhost:8000/v1", Model = "Qwen2-Audio-7B-Instruct" };
/// using ChatJudge judge = new(options, key: null, WaveFile.Encode);
/// PairVerdict verdict = await judge.JudgeAsync("a big dog", first, second, 16000, CancellationToken.None);
/// </code>
/// </example>
public sealed class ChatJudge : IPairJudge
{
    // An answer is a word; one without end must not fill the memory.
    private const long LongestAnswer = 4L << 20;

    /// <summary>Seconds before the first further attempt: servers for many limit requests by the minute.</summary>
    private const double Backoff = 0.5;

    private readonly JudgeOptions _options;
    private readonly WaveEncoder _encode;
    private readonly HttpClient _http;
    private readonly ServerPool _pool;

    /// <summary>Prepares to ask.</summary>
    /// <param name="options">Whom, and what.</param>
    /// <param name="key">What the server wants to be presented with; null = nothing.</param>
    /// <param name="encode">Makes WAV files.</param>
    /// <exception cref="UsageException">The key cannot stand in a request.</exception>
    public ChatJudge(JudgeOptions options, string? key, WaveEncoder encode)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(encode);
        if (key is not null && (key.Length == 0 || key.Any(c => c is <= ' ' or > '~')))
        {
            throw new UsageException($"judge.key_variable: what {options.KeyVariable} holds is no API key: one has letters, digits and signs alone");
        }

        (_options, _encode) = (options, encode);
        Uri address = new(options.Url.TrimEnd('/') + "/");
        // Proxies are for the web; a server on this machine is behind none.
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = !address.IsLoopback, UseCookies = false, AllowAutoRedirect = false, ConnectTimeout = TimeSpan.FromSeconds(15) })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = LongestAnswer,
        };
        if (key is not null)
        {
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }

        ServerEndpoint server = new(address, _http, TimeSpan.FromSeconds(options.TimeoutSeconds))
        {
            ErrorsPass = true,
            ReadReason = (_, body) => Reason(body, key),
        };
        _pool = new ServerPool([server], options.AtOnce);
    }

    /// <inheritdoc/>
    public string Name => _options.Model;

    /// <inheritdoc/>
    public async Task<PairVerdict> JudgeAsync(string text, ReadOnlyMemory<float> first, ReadOnlyMemory<float> second, int sampleRate, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(text);
        var (a, b) = (Sound(first, sampleRate), Sound(second, sampleRate));
        var said = await Task.WhenAll(AskAsync(text, a, b, cancellation), AskAsync(text, b, a, cancellation)).ConfigureAwait(false);
        return new PairVerdict(said[0].Answer, said[1].Answer) { Failure = said[0].Failure ?? said[1].Failure };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _http.Dispose();
        _pool.Dispose();
    }

    private async Task<(JudgeAnswer Answer, string? Failure)> AskAsync(string text, ChatRequest.Part a, ChatRequest.Part b, CancellationToken cancellation)
    {
        ChatRequest.Part[] parts =
        [
            Words(_options.Prompt.Replace(JudgeOptions.TextPlace, text, StringComparison.Ordinal)), Words("Recording A:"), a, Words("Recording B:"), b, Words(ChatAnswer.Instruction),
        ];
        ChatRequest request = new(_options.Model, [new ChatRequest.Message("user", parts)], Temperature: 0);
        try
        {
            var response = await _pool.AskAsync(
                server => server.PostAsync("chat/completions", request, ChatJson.Default.ChatRequest, ChatJson.Default.ChatResponse, cancellation), _options.Retries, Backoff, cancellation).ConfigureAwait(false);
            var said = response.Choices.FirstOrDefault()?.Message.Content;
            var answer = ChatAnswer.Read(said);
            return (answer, answer == JudgeAnswer.Other ? $"{_options.Url}: {_options.Model} says {Shown(said)}, expected A, B or tie" : null);
        }
        catch (ServerException e)
        {
            return (JudgeAnswer.Failed, e.Message);
        }
    }

    private static ChatRequest.Part Words(string text) => new("text", text);

    private ChatRequest.Part Sound(ReadOnlyMemory<float> samples, int sampleRate) =>
        new("input_audio", InputAudio: new ChatRequest.Sound(Convert.ToBase64String(_encode(samples.Span, sampleRate)), "wav"));

    private static string Shown(string? said)
    {
        const int Most = 80;
        var line = (said ?? "").ReplaceLineEndings(" ").Trim();
        return line.Length == 0 ? "nothing" : $"`{(line.Length > Most ? line[..Most] + "…" : line)}`";
    }

    /// <summary>The reason of a refusal, without the key, which servers like to repeat.</summary>
    private static string? Reason(byte[] body, string? key)
    {
        try
        {
            return PythonJson.Deserialize(body, ChatJson.Default.ChatProblem)?.Error?.Message is { Length: > 0 } message
                ? key is null ? message : message.Replace(key, "***", StringComparison.Ordinal) : null;
        }
        catch (JsonException)
        {
            return null;   // the status alone, then
        }
    }
}
