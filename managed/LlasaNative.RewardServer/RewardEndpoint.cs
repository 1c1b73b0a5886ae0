using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LlasaNative.Recognition.Wire;
using LlasaNative.Text;

namespace LlasaNative.Recognition.Remote;

/// <summary>One reward server: requests to it, and what is known of how it fares.</summary>
/// <remarks><b>Threads:</b> any; the counters are guarded by <see cref="RewardPool"/>.</remarks>
internal sealed class RewardEndpoint(Uri url, HttpClient http, TimeSpan timeout)
{
    /// <summary>Its address.</summary>
    public Uri Url { get; } = url;

    /// <summary>The models it had when it was first asked; null until then.</summary>
    public string? Model { get; set; }

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
    /// <exception cref="RewardServerException">It did not come, or is not what it should be.</exception>
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

            return PythonJson.Read(body, json => JsonSerializer.Deserialize(json.Span, type)) ?? throw new RewardServerException($"{Url}: the answer is null", isTransient: false);
        }
        catch (HttpRequestException e)
        {
            // An answer that is no HTTP, or endless, will not be better next time; a connection may.
            var isTransient = e.HttpRequestError is not (HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded or HttpRequestError.SecureConnectionError);
            throw new RewardServerException($"{Url}: {Reason(e)}", isTransient, cause: e);
        }
        catch (IOException e)
        {
            throw new RewardServerException($"{Url}: {e.Message}", isTransient: true, cause: e);
        }
        catch (JsonException e)
        {
            throw new RewardServerException($"{Url}: the answer is not the JSON expected: {e.Message}", isTransient: false, cause: e);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new RewardServerException(FormattableString.Invariant($"{Url}: no answer within {timeout.TotalSeconds:0.###} s"), isTransient: true, cause: e);
        }
    }

    private static string Reason(HttpRequestException e) => e.InnerException is { } inner && !e.Message.Contains(inner.Message, StringComparison.Ordinal) ? $"{e.Message} ({inner.Message})" : e.Message;

    private RewardServerException Refusal(HttpResponseMessage response, byte[] body)
    {
        var isTransient = response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway
            or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout or HttpStatusCode.RequestTimeout;
        var after = response.Headers.RetryAfter;
        var wish = after?.Delta ?? (after?.Date is { } date ? date - DateTimeOffset.UtcNow : null);
        return new RewardServerException($"{Url}: {(int)response.StatusCode} {Detail(response, body)}", isTransient, wish);
    }

    private static string Detail(HttpResponseMessage response, byte[] body)
    {
        try
        {
            if (response.Content.Headers.ContentType?.MediaType == Problem.MediaType
                && PythonJson.Read(body, json => JsonSerializer.Deserialize(json.Span, WireJson.Default.Problem)) is { Detail: { Length: > 0 } detail })
            {
                return detail.ReplaceLineEndings(" ");
            }
        }
        catch (JsonException)
        {
            // The status alone, then.
        }

        return response.ReasonPhrase ?? "";
    }
}
