namespace LlasaNative.Recognition.Remote;

/// <summary>Several reward servers: who gets the next request.</summary>
/// <remarks>
/// The one with the fewest requests at hand; one whose last request failed only when the others are no better, but it is
/// tried again from time to time. <b>Threads:</b> any.
/// </remarks>
internal sealed class RewardPool : IDisposable
{
    // Every so many requests a suspect server gets one although others are well: it may have recovered.
    private const long Probe = 8;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _room;
    private const int RequestsAtOnce = 2;   // of one server: one is worked on, the next is on its way

    private long _clock;

    public RewardPool(IReadOnlyList<RewardEndpoint> endpoints)
    {
        Endpoints = endpoints;
        _room = new SemaphoreSlim(endpoints.Count * RequestsAtOnce);
    }

    public IReadOnlyList<RewardEndpoint> Endpoints { get; }

    /// <summary>Waits until there is room for a request and chooses a server; give it back.</summary>
    public async Task<RewardEndpoint> AcquireAsync(CancellationToken cancellation)
    {
        await _room.WaitAsync(cancellation).ConfigureAwait(false);
        lock (_lock)
        {
            var now = ++_clock;
            var chosen = Endpoints.OrderBy(e => e.InFlight >= RequestsAtOnce).ThenBy(e => e.IsSuspect && now - e.LastUsed < Probe * Endpoints.Count)
                .ThenBy(e => e.InFlight).ThenBy(e => e.LastUsed).First();
            chosen.InFlight++;
            chosen.LastUsed = now;
            return chosen;
        }
    }

    /// <summary>Gives a server back.</summary>
    /// <param name="endpoint">The server.</param>
    /// <param name="isWell">Whether it answered; null when that is not known.</param>
    public void Release(RewardEndpoint endpoint, bool? isWell)
    {
        lock (_lock)
        {
            endpoint.InFlight--;
            endpoint.IsSuspect = isWell is { } well ? !well : endpoint.IsSuspect;
        }

        _room.Release();
    }

    /// <summary>Whether another server than this one is not suspect: a further attempt then need not wait.</summary>
    public bool HasOther(RewardEndpoint endpoint)
    {
        lock (_lock)
        {
            return Endpoints.Any(e => e != endpoint && !e.IsSuspect);
        }
    }

    public void Dispose() => _room.Dispose();
}
