namespace LlasaNative.Listening;

/// <summary>Listening to the samples of one step, in chunks that are fixed by their index.</summary>
/// <remarks>
/// A chunk is given to the listener once all its samples were offered, in whatever order and whenever that is: what is heard
/// depends on neither. <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it: that waits for what was begun.
/// </remarks>
internal sealed class ListeningSession : IDisposable
{
    private readonly IListener _listener;
    private readonly IReadOnlyList<string> _texts;
    private readonly int _chunkSize;
    private readonly HearingExtras _extras;
    private readonly int[]?[] _codes;
    private readonly int[] _missing;
    private readonly Task<HeardChunk>?[] _chunks;
    private readonly CancellationTokenSource _giveUp;

    /// <param name="listener">Who listens.</param>
    /// <param name="texts">What each sample should say.</param>
    /// <param name="extras">What else is wanted of each sample.</param>
    /// <param name="cancellation">Gives up.</param>
    public ListeningSession(IListener listener, IReadOnlyList<string> texts, HearingExtras extras, CancellationToken cancellation)
    {
        _listener = listener;
        _texts = texts;
        _chunkSize = listener.BatchSize;
        _extras = extras;
        _codes = new int[texts.Count][];
        var chunks = (texts.Count + _chunkSize - 1) / _chunkSize;
        _missing = [.. Enumerable.Range(0, chunks).Select(Size)];
        _chunks = new Task<HeardChunk>?[chunks];
        _giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    }

    /// <summary>Offers a sample that is finished; each once.</summary>
    /// <param name="index">Of the sample.</param>
    /// <param name="codes">Its speech codes.</param>
    public void Offer(int index, int[] codes)
    {
        if (_codes[index] is not null)
        {
            throw new InvalidOperationException($"sample {index} was offered twice");
        }

        _codes[index] = codes;
        var chunk = index / _chunkSize;
        if (--_missing[chunk] == 0)
        {
            var first = chunk * _chunkSize;
            int[][] together = [.. _codes.AsSpan(first, Size(chunk))!];
            string[] texts = [.. Enumerable.Range(first, together.Length).Select(i => _texts[i])];
            _chunks[chunk] = _listener.ListenAsync(together, texts, _extras, _giveUp.Token);
        }
    }

    /// <summary>Waits for everything.</summary>
    /// <returns>One hearing per sample, by index.</returns>
    /// <exception cref="InvalidOperationException">A sample was never offered.</exception>
    public HeardChunk Complete()
    {
        if (Array.FindIndex(_chunks, c => c is null) is var chunk and >= 0)
        {
            throw new InvalidOperationException($"{_missing[chunk]} samples of chunk {chunk} were never offered");
        }

        HeardChunk[] heard = [.. _chunks.Select(c => c!.GetAwaiter().GetResult())];
        return new HeardChunk([.. heard.SelectMany(c => c.Hearings)], heard.Sum(c => c.VocodeSeconds), heard.Sum(c => c.RecogniseSeconds), heard.Sum(c => c.ProsodySeconds));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Task[] begun = [.. _chunks.OfType<Task>()];
        if (!Array.TrueForAll(begun, t => t.IsCompleted))
        {
            _giveUp.Cancel();
        }

        try
        {
            Task.WaitAll(begun, CancellationToken.None);
        }
        catch (AggregateException)
        {
            // Complete has thrown it, or what made the caller leave is the error to tell.
        }

        _giveUp.Dispose();
    }

    private int Size(int chunk) => Math.Min(_chunkSize, _texts.Count - (chunk * _chunkSize));
}
