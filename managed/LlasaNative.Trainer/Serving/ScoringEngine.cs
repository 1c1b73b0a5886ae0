using System.Diagnostics;
using Microsoft.AspNetCore.Http;

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
    private readonly ScoringMetrics _metrics;
    private readonly JobQueue<ScoringJob> _queue;
    private readonly PinnedBufferPool _pool = new();
    private readonly Thread _thread;

    public ScoringEngine(LocalRecognition recognition, ServerOptions options, ScoringMetrics metrics)
    {
        _recognition = recognition;
        _options = options;
        _metrics = metrics;
        _queue = new JobQueue<ScoringJob>(options.QueueCapacity);
        _thread = new Thread(Work) { IsBackground = true, Name = "scoring" };
        _thread.Start();
    }

    /// <summary>Samples that wait.</summary>
    public int Depth => _queue.Depth;

    /// <summary>Queues samples.</summary>
    /// <param name="job">What to score; its task ends when they are, or when it is abandoned.</param>
    /// <exception cref="ProblemException">The queue is full, or the server is stopping.</exception>
    public async Task<IReadOnlyList<RecognisedSample>> ScoreAsync(ScoringJob job)
    {
        LinkedListNode<ScoringJob> node;
        try
        {
            node = _queue.Add(job);
        }
        catch (ProblemException e) when (e.Problem.Status == StatusCodes.Status429TooManyRequests)
        {
            _metrics.Refused(job.Size);
            throw;
        }

        await using var registration = job.Abandoned.UnsafeRegister(static (state, _) => ((ScoringJob)state!).Cancel(), job).ConfigureAwait(false);
        try
        {
            return await job.Done.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _queue.Remove(node);
            throw;
        }
    }

    public void Dispose()
    {
        _queue.Stop();
        _thread.Join();
        _pool.Dispose();
    }

    private void Work()
    {
        while (_queue.Take(_options.MaxBatch, j => j.Alone ? TimeSpan.Zero : _options.MaxWait, (first, next) => first.GoesWith(next)) is { } batch)
        {
            var start = Stopwatch.GetTimestamp();
            Score(batch);
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            // What was abandoned meanwhile says nothing of how long scoring takes.
            var samples = batch.Where(j => j.Done.IsCompletedSuccessfully).Sum(j => j.Texts.Count);
            if (samples > 0)
            {
                _queue.SecondsPerSize = (0.8 * _queue.SecondsPerSize) + (0.2 * seconds / samples);
                _metrics.Scored(samples, seconds);
            }
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
