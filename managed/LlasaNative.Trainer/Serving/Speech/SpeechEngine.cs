using System.Diagnostics;
using LlasaNative.Models;
using LlasaNative.Training;
using Microsoft.AspNetCore.Http;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>A bounded queue of texts, the thread that speaks them together, and the vocoder beside it.</summary>
/// <remarks><b>Threads:</b> any. <b>Lifetime:</b> dispose it: that finishes what waits. It owns neither policy nor codec.</remarks>
internal sealed class SpeechEngine : IDisposable
{
    private readonly IPolicy _policy;
    private readonly SpeechOptions _options;
    private readonly SpeechMetrics _metrics;
    private readonly JobQueue<SpeechJob> _queue;
    private readonly Vocoder _vocoder;
    private readonly Thread _thread;
    private int _speaking;

    public SpeechEngine(IPolicy policy, ISpeechCodec codec, SpeechOptions options, SpeechMetrics metrics)
    {
        (_policy, _options, _metrics) = (policy, options, metrics);
        _queue = new JobQueue<SpeechJob>(options.QueueCapacity) { SecondsPerSize = 0.1 };
        _vocoder = new Vocoder(codec);
        _thread = new Thread(Work) { IsBackground = true, Name = "speaking" };
        _thread.Start();
    }

    /// <summary>Texts that wait.</summary>
    public int Depth => _queue.Depth;

    /// <summary>Texts that are being spoken.</summary>
    public int Speaking => Volatile.Read(ref _speaking);

    /// <summary>Queues a text; its sound comes out of the job.</summary>
    /// <param name="job">The text.</param>
    /// <param name="admitted">Whether it goes on with a request that was taken already.</param>
    /// <exception cref="ProblemException">The queue is full, or the server is stopping.</exception>
    public void Speak(SpeechJob job, bool admitted = false)
    {
        try
        {
            var node = _queue.Add(job, admitted);
            job.Abandoned.UnsafeRegister(_ => _queue.Remove(node), null);
        }
        catch (ProblemException e) when (e.Problem.Status == StatusCodes.Status429TooManyRequests)
        {
            _metrics.Refused();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _queue.Stop();
        _thread.Join();
        _vocoder.Dispose();
    }

    private void Work()
    {
        while (_queue.Take(_options.Slots, _ => TimeSpan.Zero, (first, next) => first.Sampling == next.Sampling) is { } batch)
        {
            var start = Stopwatch.GetTimestamp();
            Volatile.Write(ref _speaking, batch.Count);
            _metrics.Begun(batch.Count);
            Speak(batch);
            Volatile.Write(ref _speaking, 0);
            _queue.SecondsPerSize = (0.8 * _queue.SecondsPerSize) + (0.2 * Stopwatch.GetElapsedTime(start).TotalSeconds / batch.Count);
        }
    }

    private void Speak(List<SpeechJob> batch)
    {
        // Given up only when nobody waits for any of them.
        using CancellationTokenSource nobody = new();
        var left = batch.Count;
        List<CancellationTokenRegistration> registrations = [.. batch.Select(job => job.Abandoned.UnsafeRegister(_ =>
        {
            if (Interlocked.Decrement(ref left) == 0)
            {
                nobody.Cancel();
            }
        }, null))];
        try
        {
            var drawn = _policy.Sample(
                new SampleRequest([.. batch.Select(job => job.Text.Prompt)], 1, batch[0].Sampling, [.. batch.Select(job => job.Id)]) { Slots = _options.Slots }, nobody.Token);
            for (var i = 0; i < batch.Count; i++)
            {
                Finish(batch[i], drawn[i]);
            }
        }
        catch (OperationCanceledException e)
        {
            batch.ForEach(job => job.Fail(e));
        }
#pragma warning disable CA1031 // Whatever it was, it belongs to these texts, and the thread must go on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            batch.ForEach(job => job.Fail(e));
        }
        finally
        {
            registrations.ForEach(r => r.Dispose());
        }
    }

    private void Finish(SpeechJob job, DrawnResponse drawn)
    {
        (job.Codes, job.Ended) = (_policy.ReadCodes(drawn.Tokens.Span), drawn.Ended);
        _metrics.Spoken(job.Codes.Length, job.Ended);
        if (job.IsOver || job.Codes.Length == 0)
        {
            job.Complete();
            return;
        }

        _vocoder.Offer(new Vocoder.Piece([.. job.Lead, .. job.Codes], job.Lead.Count, sound =>
        {
            job.Add(sound);
            job.Complete();
        }, job.Fail));
    }
}
