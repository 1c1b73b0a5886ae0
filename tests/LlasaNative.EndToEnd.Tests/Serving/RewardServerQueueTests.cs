using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using LlasaNative.Recognition.Wire;
using LlasaNative.Models;
using LlasaNative.Trainer.Serving;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>More is asked than can be computed: what waits, what is refused, what is dropped, what is finished.</summary>
[Category("Faults")]
public sealed class RewardServerQueueTests : RewardServerFixture
{
    // Different, so that the queue's depth tells which of two requests waits.
    private const int Many = 60;
    private const int Fewer = 50;
    private const int Capacity = Many + Fewer + 10;

    [Test]
    public async Task SingleSamples_ThatComeTogether_AreScoredTogether()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        ScoreRequest[] samples = [.. Enumerable.Range(0, 40).Select(i => Sample(i, 20 + i))];
        List<ScoreResponse> alone = [];
        foreach (var sample in samples)
        {
            alone.Add(await ScoreAsync(client, sample));
        }

        var before = await BatchesAsync(client);
        var (first, second) = await OccupyAsync(client, CancellationToken.None);
        var together = await Task.WhenAll(samples.Select(s => ScoreAsync(client, s)));
        await Task.WhenAll(first, second);
        Assert.That(await BatchesAsync(client) - before - 2, Is.InRange(2, 10), "batches of at most 32, made of what waited");
        for (var i = 0; i < samples.Length; i++)
        {
            // Other company, other rounding: 1e-7 relative in every product, a few layers deep.
            Assert.That(together[i].Transcript, Is.EqualTo(alone[i].Transcript), $"sample {i}");
            Assert.That(together[i].Nll, Is.EqualTo(alone[i].Nll).Within(1e-3), $"sample {i}");
        }
    }

    [Test]
    public async Task Queue_ThatIsFull_IsSaidWithARetryAfter_AndEmptiesAgain()
    {
        await using var server = await StartAsync(Free with { QueueCapacity = Capacity, MaxSamples = Many });
        using var client = Client(server);
        var (first, second) = await OccupyAsync(client, CancellationToken.None);
        var room = Capacity - server.Health.QueueDepth;
        var waiting = Enumerable.Range(0, room).Select(i => ScoreAsync(client, Sample(i))).ToArray();
        await UntilAsync(() => Task.FromResult(server.Health.QueueDepth == Capacity));
        using var refused = await PostAsync(client, "score", Json(Sample(1)));
        Assert.Multiple(() =>
        {
            Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.TooManyRequests));
            Assert.That(refused.Headers.RetryAfter?.Delta, Is.InRange(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60)));
        });
        Assert.That((await ProblemAsync(refused)).Kind, Is.EqualTo("queue-full"));
        var metrics = await client.GetStringAsync(new Uri("metrics", UriKind.Relative));
        Assert.That(metrics, Does.Contain("llasa_samples_refused_total 1\n").And.Contain(string.Create(CultureInfo.InvariantCulture, $"llasa_queue_samples {Capacity}\n")));

        await Task.WhenAll(waiting);
        await Task.WhenAll(first, second);
        Assert.That((await ScoreAsync(client, Sample(1))).Nll, Is.Not.Null);
        Assert.That(server.Health.QueueDepth, Is.Zero);
    }

    [Test]
    public async Task Client_ThatGoesAway_TakesItsSamplesAlong()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        using CancellationTokenSource gone = new();
        var (first, second) = await OccupyAsync(client, gone.Token);
        var depth = server.Health.QueueDepth;
        using CancellationTokenSource alsoGone = new();
        var single = ScoreAsync(client, Sample(1), alsoGone.Token);
        await UntilAsync(() => Task.FromResult(server.Health.QueueDepth == depth + 1));
        await alsoGone.CancelAsync();
        Assert.That(() => single, Throws.InstanceOf<OperationCanceledException>());
        await UntilAsync(() => Task.FromResult(server.Health.QueueDepth == depth));
        await gone.CancelAsync();
        Assert.That(() => first, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(() => second, Throws.InstanceOf<OperationCanceledException>());
        await UntilAsync(() => Task.FromResult(server.Health.QueueDepth == 0));

        // The one that was being scored is given up too: nobody's samples were scored but those of this and of the warm-up.
        await ScoreAsync(client, Sample(1));
        await UntilAsync(async () => (await MetricsAsync(client)).Contains("llasa_requests_total{endpoint=\"/score_batch\",status=\"499\"} 2\n", StringComparison.Ordinal));
        Assert.That(await MetricsAsync(client), Does.Contain("llasa_samples_scored_total 2\n").And.Contain("llasa_requests_total{endpoint=\"/score\",status=\"499\"} 1\n"));
    }

    [Test]
    public async Task Request_ThatTakesTooLong_Gets504_AndTheServerGoesOn()
    {
        await using var server = await StartAsync(Free with { RequestTimeout = TimeSpan.FromSeconds(0.5) });
        using var client = Client(server);
        var problem = await ProblemAsync(await client.PostAsJsonAsync("score_batch", Long(256), WireJson.Default.BatchRequest));
        Assert.That((problem.Status, problem.Kind), Is.EqualTo((504, "timeout")));
        Assert.That(problem.Detail, Does.Contain("0.5 s"));
        HttpStatusCode status;
        do
        {
            using var next = await PostAsync(client, "score", Json(Sample(1)));
            status = next.StatusCode;
            Assert.That(status, Is.EqualTo(HttpStatusCode.OK).Or.EqualTo(HttpStatusCode.GatewayTimeout));
        }
        while (status != HttpStatusCode.OK);
    }

    /// <summary>SIGTERM while much waits: everything that was accepted is answered, nothing new is, exit code 0.</summary>
    [Test]
    public async Task Server_ToldToStopUnderLoad_AnswersWhatItAccepted()
    {
        const int Requests = 20;
        using var process = LlasaRunner.StartAndAwait("listening on ", out var line, "serve-reward", "--port", "0", "--drain", "120");
        using HttpClient client = new() { BaseAddress = new Uri(line.Split(' ')[2]), Timeout = TimeSpan.FromSeconds(120) };
        BatchRequest batch = new() { Samples = [.. Enumerable.Range(0, 16).Select(i => Sample(i, 120))] };
        var accepted = Enumerable.Range(0, Requests).Select(_ => ScoreBatchAsync(client, batch)).ToArray();
        // Every request has been begun, this one for metrics included.
        await UntilAsync(async () => (await MetricsAsync(client)).Contains(
            string.Create(CultureInfo.InvariantCulture, $"llasa_requests_in_flight {accepted.Count(a => !a.IsCompleted) + 1}\n"), StringComparison.Ordinal));
        LlasaRunner.Signal(process, "TERM");
        Assert.That(await process.StandardError.ReadLineAsync(), Is.EqualTo("finishing the requests at hand"));
        var answers = await Task.WhenAll(accepted);
        Assert.That(answers.Select(a => a.Results.Length), Is.All.EqualTo(16));
        Assert.That(answers.Select(a => string.Join(' ', a.Results.Select(r => r.Nll))).Distinct().Count(), Is.EqualTo(1), "the same samples together, the same bits");
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero);
        Assert.That(() => client.GetAsync(new Uri("healthz", UriKind.Relative)), Throws.InstanceOf<HttpRequestException>());
    }

    /// <summary>Requests that keep the server busy: one is being scored and one waits when this returns.</summary>
    private static async Task<(Task<HttpResponseMessage> First, Task<HttpResponseMessage> Second)> OccupyAsync(HttpClient client, CancellationToken cancellation)
    {
        var first = client.PostAsJsonAsync("score_batch", Long(Many), WireJson.Default.BatchRequest, cancellation);
        var second = client.PostAsJsonAsync("score_batch", Long(Fewer), WireJson.Default.BatchRequest, cancellation);
        // Twice the same: before the first is taken both can have been seen for a moment only.
        var seen = 0;
        await UntilAsync(async () =>
        {
            await Task.Delay(10, CancellationToken.None);
            seen = (await HealthAsync(client)).QueueDepth is Many or Fewer ? seen + 1 : 0;
            return seen == 2;
        });

        return (first, second);
    }

    /// <summary>A request that takes a second or so, and can be given up between two samples.</summary>
    private static BatchRequest Long(int samples) => new()
    {
        Samples = [.. Enumerable.Range(0, samples).Select(i => Sample(i, 400))],
        Scoring = ScoringRequest.From(new ScoringOptions { BatchSize = 1 }),
    };

    private static Task<string> MetricsAsync(HttpClient client) => client.GetStringAsync(new Uri("metrics", UriKind.Relative));

    private static async Task<int> BatchesAsync(HttpClient client)
    {
        const string Name = "llasa_batch_samples_count ";
        var line = (await MetricsAsync(client)).Split('\n').Single(l => l.StartsWith(Name, StringComparison.Ordinal));
        return int.Parse(line[Name.Length..], CultureInfo.InvariantCulture);
    }
}
