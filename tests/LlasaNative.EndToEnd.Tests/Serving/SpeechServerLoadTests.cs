using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using LlasaNative.EndToEnd.Tests.Faults;
using LlasaNative.Interop;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Many requests, good, wrong and given up: the right answers, and nothing left behind.</summary>
[Category("Faults")]
public sealed class SpeechServerLoadTests : SpeechServerFixture
{
    private const int AtOnce = 16;
    private const int MaxBody = 16 * 1024;

    /// <summary>Bytes per request that would be a leak: a job that stays reachable holds its prompt (60 tokens, 240 bytes), its channel and its codes; an HTTP context thousands.</summary>
    private const long Leak = 300;

    /// <summary>What pools, caches and a rollout's buffers may still come to after the warm-up.</summary>
    private const long Settling = 2 << 20;

    [Test]
    public async Task ManyRequests_LeaveNothingBehind()
    {
        var total = FaultSettings.IsLong ? 10_000 : 600;
        await using var server = await StartAsync(Free with { QueueCapacity = 10_000 });
        using var client = Client(server);
        await LoadAsync(server.Url, client, Math.Max(200, total / 10), 0);
        var before = Memory();
        await LoadAsync(server.Url, client, total, 1_000_000);
        await UntilAsync(() => server.Health is { Speaking: 0, QueueDepth: 0 });
        var after = Memory();
        FaultSettings.Report("speech-load", new { requests = total, managed_bytes = after.Managed - before.Managed, native_bytes = after.Native - before.Native, working_set_bytes = after.WorkingSet - before.WorkingSet });
        Assert.Multiple(() =>
        {
            Assert.That(after.Managed - before.Managed, Is.LessThan(Settling + (Leak * total)), "managed");
            // Activations and sounds of the largest batch that happened to come, up to 16 texts; a sound of each request, about 50 kB, would be more.
            Assert.That(after.Native - before.Native, Is.LessThan(24 << 20), "native");
            Assert.That(after.WorkingSet - before.WorkingSet, Is.LessThan(96 << 20), "working set");
        });
    }

    /// <summary>Whatever comes over the wire gets an error in OpenAI's shape, or a closed connection; good requests are served meanwhile.</summary>
    [Test]
    public async Task Requests_OfEveryWrongKind_GetAnError_AndGoodOnesTheirSound()
    {
        var count = FaultSettings.IsLong ? 10_000 : 800;
        await using var server = await StartAsync(Free with { MaxBodyBytes = MaxBody, Voices = Folder, AllowUpload = true });
        using var client = Client(server);
        var expected = await SoundAsync(client, Ask("a big dog"));
        await FuzzAsync(Math.Max(200, count / 10), 500);
        var before = Memory();
        var statuses = await FuzzAsync(count, 0);
        await UntilAsync(() => server.Health is { Speaking: 0, QueueDepth: 0 });
        var after = Memory();
        FaultSettings.Report("speech-fuzz", new
        {
            seed = FaultSettings.Seed, requests = count, statuses,
            managed_bytes = after.Managed - before.Managed, native_bytes = after.Native - before.Native, working_set_bytes = after.WorkingSet - before.WorkingSet,
        });
        Assert.Multiple(() =>
        {
            Assert.That(after.Managed - before.Managed, Is.LessThan(Settling + (Leak * count)), "managed");
            Assert.That(after.Native - before.Native, Is.LessThan(24 << 20), "native");
            Assert.That(after.WorkingSet - before.WorkingSet, Is.LessThan(96 << 20), "working set");
        });
        Assert.That(statuses.Keys, Is.SupersetOf(new[] { 400, 413, 415 }));
        Assert.That(Directory.GetFiles(Folder), Is.Empty, "no voice came of it");
        Assert.That(await SoundAsync(client, Ask("a big dog")), Is.EqualTo(expected));
        Assert.That(await client.GetStringAsync(new Uri("metrics", UriKind.Relative)), Does.Not.Match("status=\"50[034]\""));

        async Task<SortedDictionary<int, int>> FuzzAsync(int requests, int seed)
        {
            SortedDictionary<int, int> seen = [];
            await Task.WhenAll(Enumerable.Range(0, 8).Select(worker => Task.Run(async () =>
            {
                SpeechFuzz fuzz = new(new Random((FaultSettings.Seed * 1000) + seed + worker), MaxBody);
                for (var i = worker; i < requests; i += 8)
                {
                    var status = await SendAsync(server.Url, fuzz.Next());
                    lock (seen)
                    {
                        seen[status] = seen.GetValueOrDefault(status) + 1;
                    }
                }
            })));
            return seen;
        }
    }

    private static async Task LoadAsync(Uri url, HttpClient client, int count, int seed) => await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (i, _) =>
    {
        var more = (i % 4) switch { 0 => "\"stream_format\": \"audio\"", 1 => "\"stream_format\": \"sse\"", _ => "\"top_k\": 0" };
        if (i % 10 == 9)
        {
            using var connection = await RawRequest.ConnectAsync(url);
            await connection.GetStream().WriteAsync(RawRequest.Post("/v1/audio/speech", Encoding.UTF8.GetBytes(Ask("a dog", seed + i, more))), CancellationToken.None);
            connection.LingerState = new LingerOption(true, 0);
        }
        else if (i % 10 == 8)
        {
            using var refused = await PostAsync(client, Ask("a", seed + i, "\"speed\": 2"), cancellation: CancellationToken.None);
            Assert.That((int)refused.StatusCode, Is.EqualTo(400));
        }
        else
        {
            Assert.That(await SoundAsync(client, Ask("a dog", seed + i, more), CancellationToken.None), Is.Not.Empty);
        }
    });

    /// <summary>Sends bytes and gives the status of the answer; 0 when the connection was closed without one.</summary>
    private static async Task<int> SendAsync(Uri url, (byte[] Bytes, bool IsWhole) request)
    {
        using var connection = await RawRequest.ConnectAsync(url);
        try
        {
            await connection.GetStream().WriteAsync(request.Bytes);
        }
        catch (IOException)
        {
            // The server had seen enough; what it said is read below.
        }

        var answer = await RawRequest.ReadAllAsync(connection, request.IsWhole ? TimeSpan.FromSeconds(60) : TimeSpan.FromMilliseconds(5));
        if (answer is not { Length: > 0 })
        {
            Assert.That(answer is not null || !request.IsWhole, "no answer");
            return 0;
        }

        var (status, type, body) = RawRequest.Parse(answer);
        Assert.That(status, Is.AnyOf(200, 400, 403, 404, 405, 408, 411, 413, 414, 415, 431, 501, 505), body);
        if (status >= 400 && body.Length > 0)
        {
            Assert.That(type, Is.EqualTo("application/json"));
            Assert.That((string)JsonNode.Parse(body)!["error"]!["message"]!, Is.Not.Empty);
        }

        return status;
    }

    private static (long Managed, long Native, long WorkingSet) Memory()
    {
        for (var i = 0; i < 2; i++)
        {
            // Twice: what has a finaliser goes with the second.
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        return (GC.GetTotalMemory(true), NativeDevice.GetLiveCounts().AllocatedBytes, Environment.WorkingSet);
    }
}
