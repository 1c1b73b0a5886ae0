using System.Diagnostics;

namespace LlasaNative.Trainer.Serving;

/// <summary>Samples that wait to be scored, and where the outcome goes.</summary>
/// <remarks><b>Threads:</b> any. Made by a request, taken by the engine, cancelled by either.</remarks>
internal sealed class ScoringJob : IQueuedJob
{
    private readonly TaskCompletionSource<IReadOnlyList<RecognisedSample>> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What each sample should say.</summary>
    public required IReadOnlyList<string> Texts { get; init; }

    /// <summary>Codes of each sample; empty when there are sounds.</summary>
    public IReadOnlyList<int[]> Codes { get; init; } = [];

    /// <summary>How many codes of each only lead to it; empty when there are sounds.</summary>
    public IReadOnlyList<int> Leads { get; init; } = [];

    /// <summary>Sound of each sample, 16 kHz; empty when there are codes.</summary>
    public IReadOnlyList<ReadOnlyMemory<float>> Sounds { get; init; } = [];

    /// <summary>How the recogniser listens.</summary>
    public required IRecogniser Recogniser { get; init; }

    /// <summary>What else is wanted.</summary>
    public RecognitionExtras Extras { get; init; }

    /// <summary>Whether its samples are scored together with no others.</summary>
    public bool Alone { get; init; }

    /// <summary>Cancelled when nobody waits any longer.</summary>
    public CancellationToken Abandoned { get; init; }

    public int Size => Texts.Count;

    public bool IsOver => Done.IsCompleted;

    public long Since { get; } = Stopwatch.GetTimestamp();

    public Task<IReadOnlyList<RecognisedSample>> Done => _done.Task;

    public bool GoesWith(ScoringJob other) =>
        !Alone && !other.Alone && ReferenceEquals(Recogniser, other.Recogniser) && Extras == other.Extras && Codes.Count > 0 == other.Codes.Count > 0;

    public void Complete(IReadOnlyList<RecognisedSample> recognised) => _done.TrySetResult(recognised);

    public void Fail(Exception error) => _done.TrySetException(error);

    public void Cancel() => _done.TrySetCanceled(Abandoned);
}
