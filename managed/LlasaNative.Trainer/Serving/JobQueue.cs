using System.Diagnostics;

namespace LlasaNative.Trainer.Serving;

/// <summary>What waits for the thread that owns the models.</summary>
internal interface IQueuedJob
{
    /// <summary>How much it is, of what the queue has room for.</summary>
    int Size { get; }

    /// <summary>Whether nobody waits for it any longer.</summary>
    bool IsOver { get; }

    /// <summary>When it began to wait, as <see cref="Stopwatch"/> counts.</summary>
    long Since { get; }
}

/// <summary>A bounded queue: requests add to it, one thread takes from it what goes together.</summary>
/// <typeparam name="TJob">What waits.</typeparam>
/// <param name="capacity">What may wait, in sizes of jobs; more is refused.</param>
/// <remarks><b>Threads:</b> any.</remarks>
internal sealed class JobQueue<TJob>(int capacity)
    where TJob : class, IQueuedJob
{
    private readonly LinkedList<TJob> _waiting = new();
    private readonly object _lock = new();
    private int _depth;
    private bool _stopping;

    /// <summary>What waits, in sizes of jobs.</summary>
    public int Depth => Volatile.Read(ref _depth);

    /// <summary>Seconds that a job of size 1 takes, as far as is known: what a refusal's <c>Retry-After</c> is made of.</summary>
    public double SecondsPerSize { get; set; } = 0.01;

    /// <summary>Adds a job.</summary>
    /// <param name="admitted">Whether it goes on with a request that was taken already, and so is not refused.</param>
    /// <returns>Its place, for <see cref="Remove"/>.</returns>
    /// <exception cref="ProblemException">The queue is full, or stopped.</exception>
    public LinkedListNode<TJob> Add(TJob job, bool admitted = false)
    {
        lock (_lock)
        {
            if (_stopping)
            {
                throw ProblemException.Draining();
            }

            if (!admitted && _depth + job.Size > capacity)
            {
                throw ProblemException.Busy(_depth, capacity, (int)Math.Clamp(Math.Ceiling(_depth * SecondsPerSize), 1, 60));
            }

            var node = _waiting.AddLast(job);
            _depth += job.Size;
            Monitor.Pulse(_lock);
            return node;
        }
    }

    /// <summary>Takes a job out, if it is still there.</summary>
    public void Remove(LinkedListNode<TJob> node)
    {
        lock (_lock)
        {
            Drop(node);
        }
    }

    /// <summary>Waits for the next job, and for others that go with it.</summary>
    /// <param name="wait">Longest that the first waits for others.</param>
    /// <param name="together">Whether another goes with the first.</param>
    /// <returns>At least one job; null once the queue is stopped and empty.</returns>
    public List<TJob>? Take(int most, Func<TJob, TimeSpan> wait, Func<TJob, TJob, bool> together)
    {
        lock (_lock)
        {
            for (; ; )
            {
                if (_waiting.First is not { } first)
                {
                    if (_stopping)
                    {
                        return null;
                    }

                    Monitor.Wait(_lock);
                    continue;
                }

                if (first.Value.IsOver)
                {
                    Drop(first);
                    continue;
                }

                List<LinkedListNode<TJob>> batch = [first];
                for (var node = first.Next; node is not null && batch.Count < most; node = node.Next)
                {
                    if (!node.Value.IsOver && together(first.Value, node.Value))
                    {
                        batch.Add(node);
                    }
                }

                var left = wait(first.Value) - Stopwatch.GetElapsedTime(first.Value.Since);
                if (batch.Count < most && left > TimeSpan.Zero && !_stopping)
                {
                    Monitor.Wait(_lock, left);
                    continue;
                }

                batch.ForEach(Drop);
                return [.. batch.Select(n => n.Value)];
            }
        }
    }

    /// <summary>The next job, if there is one and it fits; does not wait, and passes over none.</summary>
    /// <param name="fits">Whether it can be taken now.</param>
    public TJob? TryTake(Func<TJob, bool> fits)
    {
        lock (_lock)
        {
            while (_waiting.First is { Value.IsOver: true } over)
            {
                Drop(over);
            }

            if (_waiting.First is not { } first || !fits(first.Value))
            {
                return null;
            }

            Drop(first);
            return first.Value;
        }
    }

    /// <summary>Nothing new is taken; what waits is still to be had.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            _stopping = true;
            Monitor.Pulse(_lock);
        }
    }

    private void Drop(LinkedListNode<TJob> node)
    {
        if (node.List is not null)
        {
            _waiting.Remove(node);
            Volatile.Write(ref _depth, _depth - node.Value.Size);
        }
    }
}
