using System.Net.Http.Headers;

namespace LlasaNative.Http;

/// <summary>Sends requests: repeats what failed for a passing reason, follows redirects itself, keeps the token with its host.</summary>
/// <remarks><b>Threads:</b> any.</remarks>
internal sealed class HttpRequests : IDisposable
{
    private const int MostRedirects = 5;
    private readonly HttpClient _client;
    private readonly RequestPolicy _policy;
    private readonly Uri _home;

    /// <param name="policy">Token, patience and repetitions.</param>
    /// <param name="home">The token is sent to this scheme, host and port only.</param>
    public HttpRequests(RequestPolicy policy, string home)
    {
        _policy = policy;
        _home = new Uri(home);
        SocketsHttpHandler handler = new()
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = TimeSpan.FromSeconds(15),
            UseCookies = false,
        };
        _client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        _client.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("llasa", LlasaVersion.Text.Split('+')[0]));
    }

    /// <summary>Sends a request and gives its successful answer, whose body is still to be read.</summary>
    /// <param name="place">What to call it in errors.</param>
    /// <param name="make">Makes the request; called again for each repetition and redirect.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="redirects">Which redirects are followed; one that is not is a successful answer.</param>
    /// <exception cref="RemoteException">The server cannot be reached or refuses.</exception>
    public async Task<HttpResponseMessage> SendAsync(
        string place, Func<HttpRequestMessage> make, CancellationToken cancellation, Redirects redirects = Redirects.Follow)
    {
        for (int attempt = 1; ; attempt++)
        {
            HttpResponseMessage? response = null;
            string fault;
            Exception? cause = null;
            try
            {
                response = await FollowAsync(place, make, redirects, cancellation).ConfigureAwait(false);
                if (response.IsSuccessStatusCode || (redirects != Redirects.Follow && IsRedirect(response)))
                {
                    return response;
                }

                fault = await ReasonAsync(response, cancellation).ConfigureAwait(false);
            }
            catch (Exception e) when (IsBrokenConnection(e, cancellation))
            {
                (fault, cause) = ($"{_home.Authority} cannot be reached: {e.Message}", e);
            }

            using (response)
            {
                if (attempt >= _policy.Attempts || (response is not null && !IsPassing(response.StatusCode)))
                {
                    throw new RemoteException(place, fault, response?.StatusCode, cause);
                }

                await Task.Delay(Pause(attempt, response), cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Sends a request and reads its answer as JSON.</summary>
    /// <inheritdoc cref="SendAsync"/>
    public async Task<JsonElement> JsonAsync(string place, Func<HttpRequestMessage> make, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(place, make, cancellation).ConfigureAwait(false);
        byte[] body = await ReadAsync(response.Content, cancellation).ConfigureAwait(false);
        try
        {
            using JsonDocument document = PythonJson.Parse(body);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new RemoteException(place, $"the answer of {_home.Authority} is no JSON", response.StatusCode, e);
        }
    }

    /// <summary>Writes the body of an answer to a file as it arrives: what came before a connection broke is there.</summary>
    /// <param name="place">What to call it in errors.</param>
    /// <param name="response">An answer whose body has not been read.</param>
    /// <param name="path">The file.</param>
    /// <param name="mode">Whether it is made anew or continued.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RemoteException">The file cannot be written.</exception>
    /// <exception cref="OperationCanceledException">The caller gave up, or the server fell silent (<see cref="IsBrokenConnection"/>).</exception>
    public async Task SaveAsync(string place, HttpResponseMessage response, string path, FileMode mode, CancellationToken cancellation)
    {
        using FileStream file = Write(place, path, () => new FileStream(path, mode, FileAccess.Write, FileShare.Read, bufferSize: 0));
        await ReceiveAsync(response.Content, part => Write(place, path, () =>
        {
            file.Write(part);
            return file;
        }), cancellation).ConfigureAwait(false);
    }

    /// <summary>Appends to a file until it has its length; as long as bytes arrive, a broken connection is opened again.</summary>
    /// <param name="place">What to call it in errors.</param>
    /// <param name="path">The file; what it holds already is kept, unless it is too long.</param>
    /// <param name="size">Its length in bytes.</param>
    /// <param name="append">Appends what comes from a byte on.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="RemoteException">More arrives than that, or the connection breaks again and again.</exception>
    public async Task CompleteAsync(string place, string path, long size, Func<long, Task> append, CancellationToken cancellation)
    {
        for (int attempt = 1; ; attempt++)
        {
            long before = Length();
            if (before > size)
            {
                File.Delete(path);
                before = 0;
            }

            try
            {
                if (before < size || size == 0)
                {
                    await append(before).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is not RemoteException && IsBrokenConnection(e, cancellation))
            {
                // What arrived is kept; the length decides below.
            }

            long now = Length();
            if (now == size)
            {
                return;
            }

            if (now > size)
            {
                File.Delete(path);
                throw new RemoteException(place, $"{now} bytes arrived instead of the {size} that were announced");
            }

            attempt = now > before ? 0 : attempt;
            RemoteException.ThrowIf(attempt >= _policy.Attempts, place, $"the connection broke {attempt} times at {now} of {size} bytes");
            await Task.Delay(Pause(attempt + 1), cancellation).ConfigureAwait(false);
        }

        long Length() => File.Exists(path) ? new FileInfo(path).Length : 0;
    }

    /// <summary>The pause before the next attempt.</summary>
    public TimeSpan Pause(int attempt, HttpResponseMessage? response = null)
    {
        TimeSpan own = _policy.RetryDelay * Math.Pow(2, attempt - 1);
        TimeSpan? asked = response?.Headers.RetryAfter?.Delta;
        return asked is { } delta && delta > own ? TimeSpan.FromSeconds(Math.Min(delta.TotalSeconds, 60)) : own;
    }

    /// <summary>Whether an error is a connection that broke or fell silent, not a cancellation by the caller.</summary>
    public static bool IsBrokenConnection(Exception e, CancellationToken cancellation) =>
        !cancellation.IsCancellationRequested && e is HttpRequestException or IOException or OperationCanceledException or TimeoutException;

    public void Dispose() => _client.Dispose();

    // Told apart from a broken connection, which is an IOException too: trying again would not help.
    private static FileStream Write(string place, string path, Func<FileStream> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (Weights.FileErrors.IsWriteFailure(e))
        {
            throw new RemoteException(place, $"{path} cannot be written: {e.Message}", null, e);
        }
    }

    private async Task<HttpResponseMessage> FollowAsync(string place, Func<HttpRequestMessage> make, Redirects redirects, CancellationToken cancellation)
    {
        Uri? target = null;
        for (int hop = 0; ; hop++)
        {
            using HttpRequestMessage request = make();
            request.RequestUri = target ?? request.RequestUri!;
            if (_policy.Token is { } token && request.Headers.Authorization is null && IsHome(request.RequestUri))
            {
                request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            }

            using CancellationTokenSource silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            if (request.Content is null)
            {
                silence.CancelAfter(_policy.Silence);
            }

            HttpResponseMessage response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token).ConfigureAwait(false);
            if (!IsRedirect(response) || response.Headers.Location is not { } location)
            {
                return response;
            }

            Uri next = new(request.RequestUri, location);
            // The Hub's answer that describes a large file is itself what was asked for.
            if (redirects == Redirects.Never
                || (redirects == Redirects.Moved && (!IsSameHost(next, request.RequestUri) || response.Headers.Contains("X-Linked-Etag"))))
            {
                return response;
            }

            response.Dispose();
            RemoteException.ThrowIf(hop == MostRedirects, place, $"more than {MostRedirects} redirects");
            RemoteException.ThrowIf(request.RequestUri.Scheme == "https" && next.Scheme != "https", place, $"redirected from https to {next.Scheme}");
            target = next;
        }
    }

    private async Task<string> ReasonAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        string status = $"{_home.Authority} answers {(int)response.StatusCode} {response.ReasonPhrase}";
        string? detail = response.Headers.TryGetValues("X-Error-Message", out IEnumerable<string>? values) ? string.Join(' ', values) : null;
        if (detail is null)
        {
            byte[] body = await ReadAsync(response.Content, cancellation).ConfigureAwait(false);
            detail = Detail(body);
        }

        string hint = response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden && _policy.Token is null
            ? " (no token was sent: set HF_TOKEN)" : "";
        return detail.Length > 0 ? $"{status}: {detail}{hint}" : status + hint;
    }

    private static string Detail(byte[] body)
    {
        try
        {
            using JsonDocument json = PythonJson.Parse(body);
            foreach (string name in new[] { "error", "message" })
            {
                if (json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty(name, out JsonElement value)
                    && value.ValueKind == JsonValueKind.String)
                {
                    return value.GetString()!;
                }
            }

            // WebHDFS: {"RemoteException": {"exception": …, "message": …}}
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("RemoteException", out JsonElement remote)
                && remote.TryGetProperty("exception", out JsonElement kind) && remote.TryGetProperty("message", out JsonElement message)
                ? $"{kind}: {message.ToString().Split('\n')[0]}"
                : "";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return "";
        }
    }

    private async Task<byte[]> ReadAsync(HttpContent content, CancellationToken cancellation)
    {
        const int Most = 64 << 20;
        using MemoryStream all = new();
        await ReceiveAsync(content, part =>
        {
            all.Write(part);
            RemoteException.ThrowIf(all.Length > Most, _home.Authority, $"an answer of more than {Most >> 20} MiB");
        }, cancellation).ConfigureAwait(false);
        return all.ToArray();
    }

    /// <summary>Hands on the body of an answer as it arrives; a server that falls silent ends it.</summary>
    private async Task ReceiveAsync(HttpContent content, Action<ArraySegment<byte>> take, CancellationToken cancellation)
    {
        using Stream body = await content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        using CancellationTokenSource silence = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        byte[] buffer = new byte[1 << 16];
        while (true)
        {
            silence.CancelAfter(_policy.Silence);
            int got = await body.ReadAsync(buffer, silence.Token).ConfigureAwait(false);
            if (got == 0)
            {
                return;
            }

            take(new ArraySegment<byte>(buffer, 0, got));
        }
    }

    private bool IsHome(Uri address) => address.Scheme == _home.Scheme && IsSameHost(address, _home);

    private static bool IsSameHost(Uri a, Uri b) => a.Host == b.Host && a.Port == b.Port;

    private static bool IsRedirect(HttpResponseMessage response) => (int)response.StatusCode is 301 or 302 or 303 or 307 or 308;

    private static bool IsPassing(HttpStatusCode status) => (int)status is 408 or 429 or 500 or 502 or 503 or 504;
}
