using System.Diagnostics;
using LlasaNative.Interop;
using LlasaNative.Recognition;
using LlasaNative.Models;

namespace LlasaNative.Trainer.Serving;

/// <summary>A bounded queue of samples, and the one thread that scores them in batches.</summary>
/// <remarks>
/// Single samples wait up to a time for others to be scored with; while a batch is computed the next one gathers by itself.
/// The samples of a batch request are scored together and with no others, so that a client gets the same bits each time.
/// <b>Threads:</b> any. <b>Lifetime:</b> dispose it: that finishes what waits. It does not own the recognition.
/// </remarks>
internal sealed class ScoringEngine : IDisposable
{
    private readonly LocalRecognition _recognition;
    private readonly ServerOptions _options;
    private readonly ServerMetrics _metrics;
    private readonly LinkedList<ScoringJob> _waiting = new();
    private readonly PinnedBufferPool _pool = new();
    private readonly object _lock = new();
    private readonly Thread _thread;
    private int _depth;
    private bool _stopping;
    private double _secondsPerSample = 0.01;

    public ScoringEngine(LocalRecognition recognition, ServerOptions options, ServerMetrics metrics)
    {
        _recognition = recognition;
        _options = options;
        _metrics = metrics;
        _thread = new Thread(Work) { IsBackground = true, Name = "scoring" };
        _thread.Start();
    }

    /// <summary>Samples that wait.</summary>
    public int Depth => Volatile.Read(ref _depth);

    /// <summary>Queues samples.</summary>
    /// <param name="job">What to score; its task ends when they are, or when it is abandoned.</param>
    /// <exception cref="ProblemException">The queue is full, or the server is stopping.</exception>
    public async Task<IReadOnlyList<RecognisedSample>> ScoreAsync(ScoringJob job)
    {
        LinkedListNode<ScoringJob> node;
        lock (_lock)
        {
            if (_stopping)
            {
                throw ProblemException.Draining();
            }

            if (_depth + job.Texts.Count > _options.QueueCapacity)
            {
                _metrics.Refused(job.Texts.Count);
                throw ProblemException.Busy(_depth, _options.QueueCapacity, (int)Math.Clamp(Math.Ceiling(_depth * _secondsPerSample), 1, 60));
            }

            node = _waiting.AddLast(job);
            _depth += job.Texts.Count;
            Monitor.Pulse(_lock);
        }

        await using var registration = job.Abandoned.UnsafeRegister(static (state, _) => ((ScoringJob)state!).Cancel(), job).ConfigureAwait(false);
        try
        {
            return await job.Done.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            lock (_lock)
            {
                Remove(node);
            }

            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _stopping = true;
            Monitor.Pulse(_lock);
        }

        _thread.Join();
        _pool.Dispose();
    }

    private void Work()
    {
        while (Take() is { } batch)
        {
            var start = Stopwatch.GetTimestamp();
            Score(batch);
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            // What was abandoned meanwhile says nothing of how long scoring takes.
            var samples = batch.Where(j => j.Done.IsCompletedSuccessfully).Sum(j => j.Texts.Count);
            if (samples > 0)
            {
                _secondsPerSample = (0.8 * _secondsPerSample) + (0.2 * seconds / samples);
                _metrics.Scored(samples, seconds);
            }
        }
    }

    /// <summary>Waits for the next batch; null once the server stops and nothing waits.</summary>
    private List<ScoringJob>? Take()
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

                if (first.Value.Done.IsCompleted)
                {
                    Remove(first);
                    continue;
                }

                List<LinkedListNode<ScoringJob>> batch = Together(first);
                var left = _options.MaxWait - Stopwatch.GetElapsedTime(first.Value.Since);
                if (!first.Value.Alone && batch.Count < _options.MaxBatch && left > TimeSpan.Zero && !_stopping)
                {
                    Monitor.Wait(_lock, left);
                    continue;
                }

                batch.ForEach(Remove);
                return [.. batch.Select(n => n.Value)];
            }
        }
    }

    private List<LinkedListNode<ScoringJob>> Together(LinkedListNode<ScoringJob> first)
    {
        List<LinkedListNode<ScoringJob>> batch = [first];
        for (var node = first.Next; node is not null && batch.Count < _options.MaxBatch; node = node.Next)
        {
            if (!node.Value.Done.IsCompleted && first.Value.GoesWith(node.Value))
            {
                batch.Add(node);
            }
        }

        return batch;
    }

    private void Remove(LinkedListNode<ScoringJob> node)
    {
        if (node.List is not null)
        {
            _waiting.Remove(node);
            Volatile.Write(ref _depth, _depth - node.Value.Texts.Count);
        }
    }

    private void Score(List<ScoringJob> batch)
    {
        try
        {
            var recognised = Recognise(batch);
            var at = 0;
            foreach (var job in batch)
            {
                job.Complete([.. recognised.Skip(at).Take(job.Texts.Count)]);
                at += job.Texts.Count;
            }
        }
        catch (OperationCanceledException)
        {
            batch.ForEach(j => j.Cancel());
        }
#pragma warning disable CA1031 // Whatever it was, it belongs to a request, and the thread must go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (batch.Count == 1)
            {
                batch[0].Fail(e);
                return;
            }

            // One bad sample must not fail the others.
            foreach (var job in batch)
            {
                Score([job]);
            }
        }
    }

    private IReadOnlyList<RecognisedSample> Recognise(List<ScoringJob> batch)
    {
        var first = batch[0];
        string[] texts = [.. batch.SelectMany(j => j.Texts)];
        var abandoned = batch.Count == 1 ? first.Abandoned : CancellationToken.None;
        if (first.Codes.Count > 0)
        {
            return _recognition.Recognise([.. batch.SelectMany(j => j.Codes)], texts, first.Extras, abandoned, first.Recogniser, [.. batch.SelectMany(j => j.Leads)]).Samples;
        }

        ReadOnlyMemory<float>[] sounds = [.. batch.SelectMany(j => j.Sounds)];
        var offsets = new long[sounds.Length + 1];
        for (var i = 0; i < sounds.Length; i++)
        {
            offsets[i + 1] = offsets[i] + sounds[i].Length;
        }

        using WaveBatch waves = new(offsets, RecognisedSample.SampleRate, _pool);
        for (var i = 0; i < sounds.Length; i++)
        {
            sounds[i].Span.CopyTo(waves[i]);
        }

        return _recognition.Recognise(waves, texts, first.Extras, abandoned, first.Recogniser).Samples;
    }
}
