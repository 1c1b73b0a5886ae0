using System.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace LlasaNative.Trainer.Serving.Speech;

/// <summary>A bounded queue of texts, the thread that speaks them together, and the vocoder beside it.</summary>
/// <remarks>
/// Texts join those that are being spoken as soon as a place is free; only a text that is drawn otherwise (temperature, top-p, top-k) waits until
/// the others are finished, and those behind it with it. <b>Threads:</b> any. <b>Lifetime:</b> dispose it: that finishes what waits. It owns neither
/// policy nor codec.
/// </remarks>
internal sealed class SpeechEngine : IDisposable
{
    // A call of the rollout has an end: its places behind it are free again.
    private const int PromptsPerCall = 1024;

    private readonly PolicyModel _policy;
    private readonly ISpeechCodec _codec;
    private readonly SpeechOptions _options;
    private readonly SpeechMetrics _metrics;
    private readonly JobQueue<SpeechJob> _queue;
    private readonly Vocoder _vocoder;
    private readonly RolloutEngine _rollouts;
    private readonly NativeRolloutFeed _feed;
    private readonly Dictionary<int, Spoken> _speaking = [];
    private readonly Thread _thread;
    private long _finished;
    private int _count;

    public SpeechEngine(PolicyModel policy, ISpeechCodec codec, SpeechOptions options, SpeechMetrics metrics)
    {
        (_policy, _codec, _options, _metrics) = (policy, codec, options, metrics);
        MaxNewTokens = Math.Min(options.MaxNewTokens, policy.Config.MaxPositions - 1);
        _queue = new JobQueue<SpeechJob>(options.QueueCapacity) { SecondsPerSize = 0.1 };
        // What may fail comes before what must be ended.
        _feed = new NativeRolloutFeed(PromptsPerCall, Math.Max(PromptsPerCall * 512, policy.Config.MaxPositions), MaxNewTokens);
        _rollouts = new RolloutEngine(policy, options.Slots);
        _vocoder = new Vocoder(codec);
        _thread = new Thread(Work) { IsBackground = true, Name = "speaking" };
        _thread.Start();
    }

    /// <summary>Texts that wait.</summary>
    public int Depth => _queue.Depth;

    /// <summary>Texts that are being spoken.</summary>
    public int Speaking => Volatile.Read(ref _count);

    /// <summary>Longest speech of a text in tokens.</summary>
    public int MaxNewTokens { get; }

    /// <summary>Queues a text; its sound comes out of the job.</summary>
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

    public void Dispose()
    {
        _queue.Stop();
        _thread.Join();
        _rollouts.Dispose();
        _vocoder.Dispose();
    }

    private void Work()
    {
        while (_queue.Take(1, _ => TimeSpan.Zero, (_, _) => false) is [var first])
        {
            _finished = Stopwatch.GetTimestamp();
            _feed.Clear();
            Join(first);
            try
            {
                _rollouts.Generate(first.Sampling with { MaxNewTokens = MaxNewTokens }, _feed, () => Look(first.Sampling), Finish, CancellationToken.None);
            }
#pragma warning disable CA1031 // Whatever it was, it belongs to these texts, and the thread must go on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                foreach (var spoken in _speaking.Values)
                {
                    spoken.Job.Fail(e);
                }

                _speaking.Clear();
            }

            Volatile.Write(ref _count, 0);
        }
    }

    private void Join(SpeechJob job)
    {
        _speaking.Add(_feed.Add(job.Text.Prompt, job.Id), new Spoken(job, job.IsStreamed ? new SoundStream(job, _options.Windows, _codec.SamplesPerCode, _vocoder.Offer) : null));
        Volatile.Write(ref _count, _speaking.Count);
        _metrics.Joined(_speaking.Count);
    }

    /// <summary>Between tokens: drops whom nobody waits for, gives what can be heard, and takes in who fits.</summary>
    private void Look(SamplingSettings sampling)
    {
        foreach (var (index, spoken) in _speaking)
        {
            if (spoken.Job.IsOver)
            {
                _feed.End(index);
            }
            else if (spoken.Stream is { } stream)
            {
                var drawn = _feed.Drawn(index, spoken.Known);
                spoken.Known = drawn.Length;
                // Every token but the last is a code.
                if (_options.Windows.Next(stream.Given, drawn.Length - 1, ended: false) is not null)
                {
                    stream.Go(_policy.ReadCodes(drawn), ended: false);
                }
            }
        }

        while (_speaking.Count < _options.Slots && _queue.TryTake(job => job.Sampling == sampling && _feed.HasRoom(job.Text.Prompt.Length)) is { } next)
        {
            Join(next);
        }
    }

    private void Finish(int index)
    {
        _speaking.Remove(index, out var spoken);
        Volatile.Write(ref _count, _speaking.Count);
        var job = spoken!.Job;
        (job.Codes, job.Ended) = (_policy.ReadCodes(_feed.Drawn(index, spoken.Known)), _feed.FinishReason(index) == NativeFinishReason.Stop);
        var now = Stopwatch.GetTimestamp();
        _queue.SecondsPerSize = (0.8 * _queue.SecondsPerSize) + (0.2 * Stopwatch.GetElapsedTime(_finished, now).TotalSeconds);
        _finished = now;
        if (job.IsOver)
        {
            job.Complete();
            return;
        }

        _metrics.Spoken(job.Codes.Length, job.Ended);
        if (spoken.Stream is { } stream)
        {
            stream.Go(job.Codes, ended: true);
        }
        else
        {
            _vocoder.Offer(new Vocoder.Piece([.. job.Lead, .. job.Codes], job.Lead.Count, sound =>
            {
                job.Add(sound);
                job.Complete();
            }, job.Fail));
        }
    }

    /// <summary>A text that is being spoken.</summary>
    private sealed class Spoken(SpeechJob job, SoundStream? stream)
    {
        public SpeechJob Job { get; } = job;

        /// <summary>Null when its sound is made at once, at the end.</summary>
        public SoundStream? Stream { get; } = stream;

        /// <summary>Tokens that were seen already.</summary>
        public int Known { get; set; }
    }
}
