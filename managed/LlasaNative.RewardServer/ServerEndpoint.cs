using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Serialization.Metadata;
using LlasaNative.Text;

namespace LlasaNative.Recognition.Remote;

/// <summary>One server: requests to it, and what is known of how it fares.</summary>
/// <remarks><b>Threads:</b> any; the counters are guarded by <see cref="ServerPool"/>.</remarks>
internal sealed class ServerEndpoint(Uri url, HttpClient http, TimeSpan timeout)
{
    /// <summary>Its address.</summary>
    public Uri Url { get; } = url;

    /// <summary>Whether every error of the server's own may pass, as of those that fail so when they are busy; ours says by 500 that it will fail again.</summary>
    public bool ErrorsPass { get; init; }

    /// <summary>Reads the reason in the body of an answer that is none; null where it holds none.</summary>
    public Func<HttpResponseMessage, byte[], string?> ReadReason { get; init; } = ProblemOf;

    /// <summary>Requests it works on.</summary>
    public int InFlight { get; set; }

    /// <summary>Whether its last request failed.</summary>
    public bool IsSuspect { get; set; }

    /// <summary>Order of last use.</summary>
    public long LastUsed { get; set; }

    /// <summary>Asks how it is.</summary>
    public Task<HealthReport> HealthAsync(CancellationToken cancellation) =>
        SendAsync(() => new HttpRequestMessage(HttpMethod.Get, new Uri(Url, "healthz")), WireJson.Default.HealthReport, cancellation);

    /// <summary>Sends a body and reads the answer.</summary>
    /// <exception cref="ServerException">It did not come, or is not what it should be.</exception>
    public Task<TResponse> PostAsync<TRequest, TResponse>(
        string path, TRequest body, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TResponse> responseType, CancellationToken cancellation) =>
        SendAsync(
            () => new HttpRequestMessage(HttpMethod.Post, new Uri(Url, path))
            {
                Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, requestType)) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
            },
            responseType, cancellation);

    private async Task<T> SendAsync<T>(Func<HttpRequestMessage> make, JsonTypeInfo<T> type, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(timeout);
        using var request = make();
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseContentRead, limit.Token).ConfigureAwait(false);
            var body = await response.Content.ReadAsByteArrayAsync(limit.Token).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
            {
                throw Refusal(response, body);
            }

            return PythonJson.Deserialize(body, type) ?? throw new ServerException($"{Url}: the answer is null", isTransient: false);
        }
        catch (HttpRequestException e)
        {
            // An answer that is no HTTP, or endless, will not be better next time; a connection may.
            var isTransient = e.HttpRequestError is not (HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded or HttpRequestError.SecureConnectionError);
            throw new ServerException($"{Url}: {Reason(e)}", isTransient, cause: e);
        }
        catch (IOException e)
        {
            throw new ServerException($"{Url}: {e.Message}", isTransient: true, cause: e);
        }
        catch (JsonException e)
        {
            throw new ServerException($"{Url}: the answer is not the JSON expected: {e.Message}", isTransient: false, cause: e);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new ServerException(FormattableString.Invariant($"{Url}: no answer within {timeout.TotalSeconds:0.###} s"), isTransient: true, cause: e);
        }
    }

    private static string Reason(HttpRequestException e) => e.InnerException is { } inner && !e.Message.Contains(inner.Message, StringComparison.Ordinal) ? $"{e.Message} ({inner.Message})" : e.Message;

    private ServerException Refusal(HttpResponseMessage response, byte[] body)
    {
        var isTransient = response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway
            or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout or HttpStatusCode.RequestTimeout
            || (ErrorsPass && (int)response.StatusCode >= 500);
        var after = response.Headers.RetryAfter;
        var wish = after?.Delta ?? (after?.Date is { } date ? date - DateTimeOffset.UtcNow : null);
        return new ServerException($"{Url}: {(int)response.StatusCode} {ReadReason(response, body)?.ReplaceLineEndings(" ") ?? response.ReasonPhrase ?? ""}", isTransient, wish);
    }

    private static string? ProblemOf(HttpResponseMessage response, byte[] body)
    {
        try
        {
            return response.Content.Headers.ContentType?.MediaType == Problem.MediaType
                && PythonJson.Deserialize(body, WireJson.Default.Problem) is { Detail: { Length: > 0 } detail } ? detail : null;
        }
        catch (JsonException)
        {
            return null;   // the status alone, then
        }
    }
}
