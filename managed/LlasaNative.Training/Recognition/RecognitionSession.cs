namespace LlasaNative.Recognition;

/// <summary>Recognition of the samples of one step, in chunks that are fixed by their index.</summary>
/// <remarks>
/// A chunk is given to the recognition once all its samples were offered, in whatever order and whenever that is: what is heard
/// depends on neither. <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it: that waits for what was begun.
/// </remarks>
internal sealed class RecognitionSession : IDisposable
{
    private readonly IRecognition _recognition;
    private readonly IReadOnlyList<string> _texts;
    private readonly int _chunkSize;
    private readonly RecognitionExtras _extras;
    private readonly int[]?[] _codes;
    private readonly int[] _missing;
    private readonly Task<RecognisedChunk>?[] _chunks;
    private readonly CancellationTokenSource _giveUp;
    private readonly IReadOnlyList<IReadOnlyList<int>>? _voices;

    /// <param name="recognition">Who listens.</param>
    /// <param name="texts">What each sample should say.</param>
    /// <param name="extras">What else is wanted of each sample.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="voices">Codes of the voice that each sample goes on in; null = none.</param>
    public RecognitionSession(IRecognition recognition, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IReadOnlyList<IReadOnlyList<int>>? voices = null)
    {
        _recognition = recognition;
        _voices = voices;
        _texts = texts;
        _chunkSize = recognition.BatchSize;
        _extras = extras;
        _codes = new int[texts.Count][];
        var chunks = (texts.Count + _chunkSize - 1) / _chunkSize;
        _missing = [.. Enumerable.Range(0, chunks).Select(Size)];
        _chunks = new Task<RecognisedChunk>?[chunks];
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
            int[] samples = [.. Enumerable.Range(first, Size(chunk))];
            int[][] together = [.. samples.Select(i => _voices is null ? _codes[i]! : [.. _voices[i], .. _codes[i]!])];
            _chunks[chunk] = _recognition.RecogniseAsync(
                together, [.. samples.Select(i => _texts[i])], _extras, _giveUp.Token, _voices is null ? null : [.. samples.Select(i => _voices[i].Count)]);
        }
    }

    /// <summary>Waits for everything.</summary>
    /// <returns>One per sample, by index.</returns>
    /// <exception cref="InvalidOperationException">A sample was never offered.</exception>
    public RecognisedChunk Complete()
    {
        if (Array.FindIndex(_chunks, c => c is null) is var chunk and >= 0)
        {
            throw new InvalidOperationException($"{_missing[chunk]} samples of chunk {chunk} were never offered");
        }

        RecognisedChunk[] recognised = [.. _chunks.Select(c => c!.GetAwaiter().GetResult())];
        return new RecognisedChunk([.. recognised.SelectMany(c => c.Samples)], recognised.Sum(c => c.VocodeSeconds), recognised.Sum(c => c.RecogniseSeconds), recognised.Sum(c => c.ProsodySeconds));
    }

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
