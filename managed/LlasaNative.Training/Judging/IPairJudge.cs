namespace LlasaNative.Judging;

/// <summary>Says which of two recordings of a text is the better speech.</summary>
/// <remarks><b>Threads:</b> any. <b>Lifetime:</b> dispose it once everything asked of it has come back.</remarks>
public interface IPairJudge : IDisposable
{
    /// <summary>Who it is, for messages and for the book of its judgements.</summary>
    string Name { get; }

    /// <summary>Has a pair judged, once in either order.</summary>
    /// <param name="text">What both should say.</param>
    /// <param name="first">The one's mono samples, full scale is ±1.</param>
    /// <param name="second">The other's.</param>
    /// <param name="sampleRate">Samples per second of both.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>What came of it; where nobody answered, it says why.</returns>
    /// <exception cref="OperationCanceledException">It was given up.</exception>
    Task<PairVerdict> JudgeAsync(string text, ReadOnlyMemory<float> first, ReadOnlyMemory<float> second, int sampleRate, CancellationToken cancellation);
}
