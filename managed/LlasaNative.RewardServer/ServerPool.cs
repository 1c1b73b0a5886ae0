namespace LlasaNative.Recognition.Remote;

/// <summary>Several servers of one kind: who gets the next request, and who gets it again when that fails.</summary>
/// <remarks>
/// The one with the fewest requests at hand; one whose last request failed only when the others are no better, but it is
/// tried again from time to time. <b>Threads:</b> any.
/// </remarks>
internal sealed class ServerPool : IDisposable
{
    // Every so many requests a suspect server gets one although others are well: it may have recovered.
    private const long Probe = 8;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _room;
    private readonly int _atOnce;
    private long _clock;

    /// <param name="endpoints">The servers.</param>
    /// <param name="atOnce">Requests at once of each.</param>
    public ServerPool(IReadOnlyList<ServerEndpoint> endpoints, int atOnce)
    {
        (Endpoints, _atOnce) = (endpoints, atOnce);
        _room = new SemaphoreSlim(endpoints.Count * atOnce);
    }

    public IReadOnlyList<ServerEndpoint> Endpoints { get; }

    /// <summary>Asks until there is an answer, no further attempt is left, or none would help; another server where there is one.</summary>
    /// <param name="ask">Sends the request.</param>
    /// <param name="retries">Further attempts.</param>
    /// <param name="backoff">Seconds before the first of them.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="ServerException">There is no answer.</exception>
    public async Task<T> AskAsync<T>(Func<ServerEndpoint, Task<T>> ask, int retries, double backoff, CancellationToken cancellation)
    {
        for (var failures = 1; ; failures++)
        {
            var endpoint = await AcquireAsync(cancellation).ConfigureAwait(false);
            bool? isWell = null;
            ServerException failure;
            try
            {
                var response = await ask(endpoint).ConfigureAwait(false);
                isWell = true;
                return response;
            }
            catch (ServerException e)
            {
                isWell = false;
                failure = e;
            }
            finally
            {
                Release(endpoint, isWell);
            }

            if (!failure.IsTransient || failures > retries)
            {
                throw failures == 1 ? failure : new ServerException($"{failure.Message} ({failures} attempts)", false, cause: failure);
            }

            if (!HasOther(endpoint))
            {
                await Task.Delay(Backoff.Pause(backoff, failures, failure.RetryAfter), cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Waits until there is room for a request and chooses a server; give it back.</summary>
    private async Task<ServerEndpoint> AcquireAsync(CancellationToken cancellation)
    {
        await _room.WaitAsync(cancellation).ConfigureAwait(false);
        lock (_lock)
        {
            var now = ++_clock;
            var chosen = Endpoints.OrderBy(e => e.InFlight >= _atOnce).ThenBy(e => e.IsSuspect && now - e.LastUsed < Probe * Endpoints.Count)
                .ThenBy(e => e.InFlight).ThenBy(e => e.LastUsed).First();
            chosen.InFlight++;
            chosen.LastUsed = now;
            return chosen;
        }
    }

    /// <summary>Gives a server back.</summary>
    /// <param name="endpoint">The server.</param>
    /// <param name="isWell">Whether it answered; null when that is not known.</param>
    private void Release(ServerEndpoint endpoint, bool? isWell)
    {
        lock (_lock)
        {
            endpoint.InFlight--;
            endpoint.IsSuspect = isWell is { } well ? !well : endpoint.IsSuspect;
        }

        _room.Release();
    }

    /// <summary>Whether another server than this one is not suspect: a further attempt then need not wait.</summary>
    private bool HasOther(ServerEndpoint endpoint)
    {
        lock (_lock)
        {
            return Endpoints.Any(e => e != endpoint && !e.IsSuspect);
        }
    }

    public void Dispose() => _room.Dispose();
}
