namespace LlasaNative.Recognition;

/// <summary>Whoever turns speech codes into sound and listens to it: models in this process, or a reward server.</summary>
/// <remarks>
/// What is heard in a sample depends on which samples are given together, by the rounding of matrix products, and on nothing
/// else. So whoever wants the same rewards twice gives the same samples together. <b>Threads:</b> any.
/// <b>Lifetime:</b> dispose it once everything asked of it has come back.
/// </remarks>
public interface IRecognition : IDisposable
{
    /// <summary>Number of different speech codes it understands.</summary>
    int CodeCount { get; }

    /// <summary>Samples it is given together; the rounding of results depends on it.</summary>
    int BatchSize { get; }

    /// <summary>Who listens, for messages.</summary>
    string Name { get; }

    /// <summary>Whether it computes somewhere else than the policy, so that listening while others are drawn gains time.</summary>
    bool WorksBesidePolicy { get; }

    /// <summary>Tells it of texts it will be asked about, so that checking one by one is quick.</summary>
    /// <param name="texts">Texts that samples will be compared with.</param>
    void Announce(IReadOnlyCollection<string> texts);

    /// <summary>Refuses a text whose likelihood could not be measured.</summary>
    /// <param name="text">A text that samples will be compared with.</param>
    /// <exception cref="UsageException">It is too long.</exception>
    void CheckText(string text);

    /// <summary>Listens to some samples.</summary>
    /// <param name="codes">Speech codes of each; a sample may be empty.</param>
    /// <param name="texts">What each should say.</param>
    /// <param name="extras">What else is wanted of each.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="leads">How many of each sample's codes only lead to it, as those of a voice prompt: their sound is made with the rest, for a smooth joint, and cut off; null = none.</param>
    /// <returns>One per sample; one that failed says why.</returns>
    Task<RecognisedChunk> RecogniseAsync(IReadOnlyList<int[]> codes, IReadOnlyList<string> texts, RecognitionExtras extras, CancellationToken cancellation, IReadOnlyList<int>? leads = null);
}
