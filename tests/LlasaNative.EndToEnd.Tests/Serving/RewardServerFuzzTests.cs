using System.Net.Sockets;
using System.Text.Json;
using LlasaNative.EndToEnd.Tests.Faults;
using LlasaNative.Recognition.Wire;
using LlasaNative.Trainer.Serving;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Whatever comes over the wire: an answer that says what was wrong, or a closed connection; the others are served well meanwhile.</summary>
[Category("Faults")]
public sealed class RewardServerFuzzTests : RewardServerFixture
{
    private const int MaxBody = 32 * 1024;

    // Every status that a request of this kind may get. Above all none that says the server is at fault.
    private static readonly int[] _allowed = [200, 400, 404, 405, 408, 411, 413, 414, 415, 422, 431, 501, 505];

    [Test]
    public async Task Requests_OfEveryWrongKind_GetAProblem_AndGoodOnesTheirAnswer()
    {
        var count = FaultSettings.IsLong ? 20_000 : 1_500;
        const int AtOnce = 8;
        await using var server = await StartAsync(Free with { MaxBodyBytes = MaxBody });
        using var client = Client(server);
        ScoreRequest[] samples = [.. Enumerable.Range(0, 8).Select(i => Sample(i, 5 + (5 * i)))];
        List<ScoreResponse> expected = [];
        foreach (var sample in samples)
        {
            expected.Add(await ScoreAsync(client, sample));
        }

        SortedDictionary<string, int> kinds = new(StringComparer.Ordinal);
        SortedDictionary<int, int> statuses = [];
        using CancellationTokenSource done = new();
        var good = Task.Run(async () =>
        {
            var answered = 0;
            for (; !done.IsCancellationRequested; answered++)
            {
                var i = answered % samples.Length;
                var response = await ScoreAsync(client, samples[i], CancellationToken.None);
                Assert.That(response.Transcript, Is.EqualTo(expected[i].Transcript));
                Assert.That(response.Nll, Is.EqualTo(expected[i].Nll).Within(1e-3));   // rounding, by company
            }

            return answered;
        });
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(worker => Task.Run(async () =>
        {
            RequestFuzz fuzz = new(new Random((FaultSettings.Seed * 1000) + worker), MaxBody);
            for (var i = worker; i < count; i += AtOnce)
            {
                var request = fuzz.Next();
                var status = await SendAsync(server, request);
                lock (statuses)
                {
                    kinds[request.Kind] = kinds.GetValueOrDefault(request.Kind) + 1;
                    statuses[status] = statuses.GetValueOrDefault(status) + 1;
                }
            }
        })));
        await done.CancelAsync();
        var answers = await good;
        FaultSettings.Report("http-fuzz", new { seed = FaultSettings.Seed, requests = count, good_answers = answers, kinds, statuses });
        Assert.Multiple(() =>
        {
            Assert.That(answers, Is.GreaterThan(count / 100));
            Assert.That(kinds, Has.Count.EqualTo(11));
            Assert.That(statuses.Keys, Is.SupersetOf(new[] { 400, 413, 422 }));
            Assert.That(server.Health.QueueDepth, Is.Zero);
        });
        Assert.That(await client.GetStringAsync(new Uri("metrics", UriKind.Relative)), Does.Not.Match("status=\"50[034]\""));
    }

    /// <summary>Hundreds of clients that send a byte now and then hold nobody up, and are shown the door.</summary>
    [Test]
    public async Task SlowClients_HoldNobodyUp_AndAreShownTheDoor()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var expected = await ScoreAsync(client, Sample(1));
        var head = RawRequest.Head("POST", "/score", "Content-Type: application/json", "Content-Length: 1000");
        List<TcpClient> slow = [];
        try
        {
            for (var i = 0; i < 300; i++)
            {
                slow.Add(await RawRequest.ConnectAsync(server.Url));
                // Half of them never finish the head, half never the body.
                await slow[i].GetStream().WriteAsync(i % 2 == 0 ? head.AsMemory(0, head.Length - 2) : head);
            }

            for (var i = 0; i < 20; i++)
            {
                var trickling = slow.Select((s, at) => (s, at)).Where(s => s.at % 20 == i);
                await Task.WhenAll(trickling.Select(async s => await s.s.GetStream().WriteAsync(" "u8.ToArray())));
                Assert.That((await HealthAsync(client)).Status, Is.EqualTo("ok"));
                Assert.That(await ScoreAsync(client, Sample(1)), Is.EqualTo(expected));
            }

            // The body's grace is 5 s, the head's 10 s; a busy machine may need longer.
            var ends = await Task.WhenAll(slow.Select(s => RawRequest.ReadAllAsync(s, TimeSpan.FromSeconds(60))));
            Assert.Multiple(() =>
            {
                Assert.That(ends, Has.None.Null, "every connection was closed");
                var bodies = ends.Where((_, i) => i % 2 == 1).Select(e => RawRequest.Parse(e!)).ToArray();
                Assert.That(bodies.Select(b => b.Status), Is.All.EqualTo(408));
                Assert.That(bodies.Select(b => b.Body), Is.All.Contains("urn:llasa:problem:too-slow"));
            });
        }
        finally
        {
            slow.ForEach(s => s.Dispose());
        }
    }

    /// <summary>Sends a request and gives the status of its answer; 0 when the connection was closed without one.</summary>
    private static async Task<int> SendAsync(RewardServer server, RequestFuzz.Request request)
    {
        using var connection = await RawRequest.ConnectAsync(server.Url);
        try
        {
            await connection.GetStream().WriteAsync(request.Bytes);
        }
        catch (IOException)
        {
            // The server had seen enough; what it said is read below.
        }

        // One that is not whole leaves the server waiting for the rest: the client goes away instead.
        var answer = await RawRequest.ReadAllAsync(connection, request.IsWhole ? TimeSpan.FromSeconds(60) : TimeSpan.FromMilliseconds(5));
        if (answer is null && !request.IsWhole)
        {
            connection.LingerState = new LingerOption(request.Bytes.Length % 2 == 0, 0);
            return 0;
        }

        Assert.That(answer, Is.Not.Null, $"no answer: {request.Kind}");
        if (answer!.Length == 0)
        {
            return 0;
        }

        var (status, type, body) = RawRequest.Parse(answer);
        Assert.That(status, Is.AnyOf([.. _allowed]), $"{request.Kind}: {body}");
        if (status >= 400 && body.Length > 0)
        {
            Assert.That(type, Is.EqualTo("application/problem+json"), request.Kind);
            Assert.That(JsonSerializer.Deserialize(body, WireJson.Default.Problem)!.Status, Is.EqualTo(status), body);
        }

        return status;
    }
}
