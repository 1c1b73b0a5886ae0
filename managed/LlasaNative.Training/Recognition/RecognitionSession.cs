namespace LlasaNative.Recognition;

/// <summary>Recognition of the samples of one step, in chunks that are fixed by their index.</summary>
/// <remarks>
/// A chunk is given to the recognition once all its samples were offered, in whatever order and whenever that is: what is heard
/// depends on neither. <b>Threads:</b> one at a time. <b>Lifetime:</b> dispose it: that waits for what was begun.
/// </remarks>
/// <param name="recognition">Who listens.</param>
/// <param name="texts">What each sample should say.</param>
/// <param name="extras">What else is wanted of each sample.</param>
/// <param name="cancellation">Gives up.</param>
/// <param name="voices">Codes of the voice that each sample goes on in; null = none.</param>
internal sealed class RecognitionSession(
    IRecognition recognition, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation,
    IReadOnlyList<IReadOnlyList<int>>? voices = null) : IDisposable
{
    private readonly int[][] _members = [.. Enumerable.Range(0, texts.Count).Chunk(recognition.BatchSize)];   // the samples of each chunk
    private readonly int[]?[] _codes = new int[texts.Count][];
    private readonly Task<RecognisedChunk>?[] _chunks = new Task<RecognisedChunk>?[(texts.Count + recognition.BatchSize - 1) / recognition.BatchSize];
    private readonly CancellationTokenSource _giveUp = CancellationTokenSource.CreateLinkedTokenSource(cancellation);

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
        var chunk = index / recognition.BatchSize;
        var samples = _members[chunk];
        if (Array.TrueForAll(samples, i => _codes[i] is not null))
        {
            int[][] together = [.. samples.Select(i => voices is null ? _codes[i]! : [.. voices[i], .. _codes[i]!])];
            _chunks[chunk] = recognition.RecogniseAsync(
                together, [.. samples.Select(i => texts[i])], extras, _giveUp.Token, voices is null ? null : [.. samples.Select(i => voices[i].Count)]);
        }
    }

    /// <summary>Waits for everything.</summary>
    /// <returns>One per sample, by index.</returns>
    /// <exception cref="InvalidOperationException">A sample was never offered.</exception>
    public RecognisedChunk Complete() => Array.FindIndex(_chunks, c => c is null) is var chunk and >= 0
        ? throw new InvalidOperationException($"{_members[chunk].Count(i => _codes[i] is null)} samples of chunk {chunk} were never offered")
        : RecognisedChunk.Join(_chunks.Select(c => c!.GetAwaiter().GetResult()));

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
}
