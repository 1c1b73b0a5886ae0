using System.Diagnostics;
using System.Net;
using LlasaNative.EndToEnd.Tests.Faults;
using LlasaNative.Interop;
using LlasaNative.Recognition.Wire;
using LlasaNative.Trainer.Serving;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>200 clients at once, good, wrong and impatient ones: right answers, quick health, and nothing left behind.</summary>
[Category("Faults")]
public sealed class RewardServerLoadTests : RewardServerFixture
{
    private const int Clients = 200;

    /// <summary>What pools and caches may still come to after a warm-up, in which every client had a connection.</summary>
    private const long Settling = 1 << 20;

    /// <summary>
    /// Bytes per request that would be a leak. One that stays reachable holds at least its codes (184), its text, its job
    /// (100) and that job's task (100); an HTTP context is thousands.
    /// </summary>
    private const long Leak = 100;

    /// <summary>
    /// Growth of the native library's tensors: activations of the largest batch that happened to come, up to 32 × 60 codes.
    /// The sounds of a tenth of a short run's requests would be more.
    /// </summary>
    private const long NativeSettling = 8 << 20;

    /// <summary>What the process may grow by: a leak of one sound (40 codes are 51 kB) per request would be 450 MB.</summary>
    private const long WorkingSetSettling = 64 << 20;

    /// <summary>
    /// What the pool of sounds may still grow by: a buffer for each power of two between one sample of 20 codes and 32 of 60,
    /// for a batch size that had not occurred before. One that leaks per request would be thousands.
    /// </summary>
    private const long PoolClasses = 8;

    private static readonly ScoreRequest[] _samples = [.. Enumerable.Range(0, 24).Select(i => Sample(i, 20 + (i * 40 / 23)))];

    private readonly SortedDictionary<string, int> _outcomes = new(StringComparer.Ordinal);
    private readonly List<double> _health = [];
    private ScoreResponse[] _expected = [];

    [Test]
    public async Task TwoHundredClients_GetRightAnswers_AndLeaveNothingBehind()
    {
        var total = FaultSettings.IsLong ? 10_000 : 1_000;
        await using var server = await StartAsync();
        using HttpClient client = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = server.Url, Timeout = TimeSpan.FromMinutes(5) };
        List<ScoreResponse> expected = [];
        foreach (var sample in _samples)
        {
            expected.Add(await ScoreAsync(client, sample));
        }

        _expected = [.. expected];
        var warm = Math.Max(total / 10, 2 * Clients);
        await LoadAsync(client, 0, warm);
        var before = Memory.Now();
        _health.Clear();
        var start = Stopwatch.GetTimestamp();
        using CancellationTokenSource over = new();
        var watching = WatchAsync(client, over.Token);
        await LoadAsync(client, warm, total);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await over.CancelAsync();
        await watching;
        var after = Memory.Now();
        var health = _health.Order().ToArray();
        var requests = total - warm;
        FaultSettings.Report("load", new
        {
            clients = Clients,
            requests = total,
            outcomes = _outcomes,
            requests_per_second = Math.Round(requests / seconds, 1),
            health = new { asked = health.Length, p50_ms = Ms(health, 0.5), p99_ms = Ms(health, 0.99), max_ms = Ms(health, 1) },
            growth = new { managed_bytes = after.Managed - before.Managed, native_bytes = after.Native - before.Native, working_set_bytes = after.WorkingSet - before.WorkingSet },
        });
        Assert.Multiple(() =>
        {
            Assert.That(_outcomes.Keys, Is.EquivalentTo(new[] { "answered", "gave up", "refused: 400", "refused: 422" }));
            Assert.That(_outcomes.Values.Sum(), Is.EqualTo(total));
            Assert.That(after.Handles - before.Handles, Is.LessThanOrEqualTo(PoolClasses), "native handles");
            Assert.That(after.Managed - before.Managed, Is.LessThan(Settling + (Leak * requests)), "managed memory");
            Assert.That(after.Native - before.Native, Is.LessThan(NativeSettling), "native memory");
            if (FaultSettings.IsLong)
            {
                Assert.That(after.WorkingSet - before.WorkingSet, Is.LessThan(WorkingSetSettling), "working set");
                // The promise of /healthz; with other work on the machine the short version does not hold anybody to it.
                Assert.That(Ms(health, 0.99), Is.LessThan(50), "p99 of /healthz in ms");
            }
        });
        Assert.That(server.Health.QueueDepth, Is.Zero);
        Assert.That(await client.GetStringAsync(new Uri("metrics", UriKind.Relative)), Does.Not.Contain("status=\"5"));
    }

    private static double Ms(double[] ascending, double share) => Math.Round(ServerBench.Quantile(ascending, share) * 1000, 2);

    private async Task LoadAsync(HttpClient client, int first, int last)
    {
        var next = first - 1;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => Task.Run(async () =>
        {
            for (int i; (i = Interlocked.Increment(ref next)) < last;)
            {
                var outcome = await AskAsync(client, i);
                lock (_outcomes)
                {
                    _outcomes[outcome] = _outcomes.GetValueOrDefault(outcome) + 1;
                }
            }
        })));
    }

    /// <summary>Of twenty requests one is no JSON, one asks for what is not there, one is given up soon, and the others are good.</summary>
    private async Task<string> AskAsync(HttpClient client, int request)
    {
        var i = request % _samples.Length;
        switch (request % 20)
        {
            case 5:
                return await RefusedAsync(client, "{\"tokens\": [1, 2", HttpStatusCode.BadRequest);
            case 10:
                return await RefusedAsync(client, "{\"tokens\": [1024], \"text\": \"a\"}", HttpStatusCode.UnprocessableEntity);
            case 15:
                using (CancellationTokenSource impatient = new(request % 7))
                {
                    try
                    {
                        await ScoreAsync(client, _samples[i], impatient.Token);
                    }
                    catch (OperationCanceledException)
                    {
                        // Counted alike: whether an answer came in time is chance.
                    }
                }

                return "gave up";
            default:
                var response = await ScoreAsync(client, _samples[i]);
                Assert.That(response.Transcript, Is.EqualTo(_expected[i].Transcript), $"request {request}");
                Assert.That(response.Nll, Is.EqualTo(_expected[i].Nll).Within(1e-3), $"request {request}");   // rounding, by company
                return "answered";
        }
    }

    private static async Task<string> RefusedAsync(HttpClient client, string body, HttpStatusCode status)
    {
        using var response = await PostAsync(client, "score", body);
        Assert.That(response.StatusCode, Is.EqualTo(status));
        return $"refused: {(int)status}";
    }

    private async Task WatchAsync(HttpClient client, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            var sent = Stopwatch.GetTimestamp();
            Assert.That((await HealthAsync(client)).Status, Is.EqualTo("ok"));
            _health.Add(Stopwatch.GetElapsedTime(sent).TotalSeconds);
            await Task.Delay(10, CancellationToken.None);
        }
    }

    private sealed record Memory(long Managed, long Native, long Handles, long WorkingSet)
    {
        public static Memory Now()
        {
            // Twice: what has a finaliser goes with the second.
            for (var i = 0; i < 2; i++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }

            var counts = NativeDevice.GetLiveCounts();
            return new Memory(GC.GetTotalMemory(true), counts.AllocatedBytes, counts.Codecs + counts.Whispers + counts.Buffers, Environment.WorkingSet);
        }
    }
}
