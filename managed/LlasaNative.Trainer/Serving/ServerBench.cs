using System.Diagnostics;
using System.Net.Http.Json;

namespace LlasaNative.Trainer.Serving;

/// <summary>Measures the reward server under clients that each send the next sample when the last one is answered.</summary>
internal static class ServerBench
{
    /// <summary>What one server did.</summary>
    /// <param name="MaxBatch">Most samples it scored together.</param>
    /// <param name="Latencies">Seconds of each answer, ascending.</param>
    /// <param name="Health">Seconds of each <c>GET /healthz</c> meanwhile, ascending.</param>
    /// <param name="Transcripts">What it heard in each of the samples it was sent.</param>
    public sealed record Measurement(int MaxBatch, int Samples, double Seconds, double[] Latencies, double[] Health, string[] Transcripts)
    {
        public double PerSecond => Samples / Seconds;
    }

    /// <summary>Value below which a share of ascending values lies.</summary>
    public static double Quantile(double[] ascending, double share) => ascending[Math.Min((int)(share * ascending.Length), ascending.Length - 1)];

    /// <summary>Runs a server of its own, checks that it answers rightly, then loads it.</summary>
    /// <param name="maxBatch">Most samples scored together; 1 = no batching.</param>
    /// <param name="samples">What is sent, in turn.</param>
    public static async Task<Measurement> RunAsync(ModelOptions models, int maxBatch, IReadOnlyList<ScoreRequest> samples, int clients, double seconds)
    {
        await using var server = await RewardServer.StartAsync(models, new ScoringOptions(), new ServerOptions { Port = 0, MaxBatch = maxBatch });
        using HttpClient http = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = server.Url };
        var expected = await ScoreAllAsync(http, samples, 1);
        CheckSame(expected, await ScoreAllAsync(http, samples, clients));

        var start = Stopwatch.GetTimestamp();
        var next = -1;
        List<double> latencies = [];
        List<double> health = [];
        using CancellationTokenSource over = new(TimeSpan.FromSeconds(seconds));
        var watching = WatchAsync(http, health, over.Token);
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
        {
            while (!over.IsCancellationRequested)
            {
                var sample = samples[(Interlocked.Increment(ref next) & int.MaxValue) % samples.Count];
                var sent = Stopwatch.GetTimestamp();
                await ScoreAsync(http, sample);
                var took = Stopwatch.GetElapsedTime(sent).TotalSeconds;
                lock (latencies)
                {
                    latencies.Add(took);
                }
            }
        })));
        var elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await watching;
        await server.StopAsync();
        return new Measurement(maxBatch, latencies.Count, elapsed, [.. latencies.Order()], [.. health.Order()], [.. expected.Select(e => e.Transcript)]);
    }

    private static async Task WatchAsync(HttpClient http, List<double> seconds, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            var sent = Stopwatch.GetTimestamp();
            using var response = await http.GetAsync(new Uri("healthz", UriKind.Relative), CancellationToken.None);
            response.EnsureSuccessStatusCode();
            seconds.Add(Stopwatch.GetElapsedTime(sent).TotalSeconds);
            await Task.Delay(10, CancellationToken.None);
        }
    }

    private static async Task<ScoreResponse[]> ScoreAllAsync(HttpClient http, IReadOnlyList<ScoreRequest> samples, int atOnce)
    {
        var responses = new ScoreResponse[samples.Count];
        await Parallel.ForAsync(0, samples.Count, new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (i, _) => responses[i] = await ScoreAsync(http, samples[i]));
        return responses;
    }

    private static async Task<ScoreResponse> ScoreAsync(HttpClient http, ScoreRequest sample)
    {
        using var response = await http.PostAsJsonAsync("score", sample, WireJson.Default.ScoreRequest);
        response.EnsureSuccessStatusCode();
        return PythonJson.Deserialize(await response.Content.ReadAsByteArrayAsync(), WireJson.Default.ScoreResponse)!;
    }

    /// <summary>Batched and alone must differ by rounding only: 1e-3 nats is a hundred times what that comes to.</summary>
    private static void CheckSame(ScoreResponse[] alone, ScoreResponse[] together)
    {
        for (var i = 0; i < alone.Length; i++)
        {
            if (alone[i].Transcript != together[i].Transcript || !(Math.Abs((alone[i].Nll ?? double.NaN) - (together[i].Nll ?? double.NaN)) < 1e-3))
            {
                throw new LlasaException($"sample {i} is scored {alone[i]} alone and {together[i]} among others");
            }
        }
    }
}
