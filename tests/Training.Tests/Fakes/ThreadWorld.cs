namespace LlasaNative.Training.Tests.Fakes;

/// <summary>Ranks that are threads of this process.</summary>
internal sealed class ThreadWorld : IWorld
{
    private readonly Meeting _meeting;

    private ThreadWorld(Meeting meeting, int rank) => (_meeting, Rank) = (meeting, rank);

    public int Rank { get; }

    public int Size => _meeting.Given.Length;

    /// <summary>Runs something on every rank of a world at once.</summary>
    /// <returns>What each came to.</returns>
    public static T[] Run<T>(int size, Func<IWorld, T> body)
    {
        Meeting meeting = new(size);
        Task<T>[] ranks = [.. Enumerable.Range(0, size).Select(r => Task.Factory.StartNew(
            () =>
            {
                try
                {
                    return body(new ThreadWorld(meeting, r));
                }
                catch
                {
                    meeting.Failed.Cancel();   // nobody waits for one that is gone
                    throw;
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        try
        {
            Task.WaitAll(ranks);
        }
        catch (AggregateException)
        {
            // The first one's own fault rather than that others stopped waiting for it.
            throw ranks.SelectMany(r => r.Exception?.InnerExceptions ?? []).OrderBy(e => e is OperationCanceledException).First();
        }

        return [.. ranks.Select(r => r.Result)];
    }

    public byte[][] AllGather(ReadOnlySpan<byte> mine)
    {
        _meeting.Given[Rank] = mine.ToArray();
        _meeting.Barrier.SignalAndWait(_meeting.Failed.Token);
        byte[][] all = [.. _meeting.Given];
        _meeting.Barrier.SignalAndWait(_meeting.Failed.Token);
        return all;
    }

    private sealed class Meeting(int size)
    {
        public byte[][] Given { get; } = new byte[size][];

        public Barrier Barrier { get; } = new(size);

        public CancellationTokenSource Failed { get; } = new();
    }
}
