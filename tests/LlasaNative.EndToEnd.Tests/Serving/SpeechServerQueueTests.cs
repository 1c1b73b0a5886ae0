using System.Globalization;
using System.Net;
using LlasaNative.Audio;
using LlasaNative.Trainer.Serving.Speech;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>More is asked than can be spoken at once: what goes together, what is refused, what is dropped, what is finished.</summary>
[Category("Faults")]
public sealed class SpeechServerQueueTests : SpeechServerFixture
{
    private static readonly string[] _texts = ["a big dog", "the quiet river", "a green stone", "the old house", "a small bird"];

    [Test]
    public async Task Requests_ThatComeTogether_AreSpokenTogether_AndSayWhatTheySayAlone()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        string[] asked = [.. Enumerable.Range(0, 32).Select(i => Ask(_texts[i % _texts.Length], i))];
        List<byte[]> alone = [];
        foreach (var body in asked)
        {
            alone.Add(await SoundAsync(client, body));
        }

        var together = await Task.WhenAll(asked.Select(body => SoundAsync(client, body)));
        for (var i = 0; i < asked.Length; i++)
        {
            // In other company products round otherwise, by 1e-7 of their values: a step or two of 16 bits.
            var (one, other) = (Samples(alone[i]), Samples(together[i]));
            Assert.That(other, Has.Length.EqualTo(one.Length), asked[i]);
            Assert.That(other.Zip(one).Max(pair => Math.Abs(pair.First - pair.Second)), Is.LessThanOrEqualTo(2 / 32768.0), asked[i]);
        }
    }

    [Test]
    public async Task Queue_ThatIsFull_IsSaidWithARetryAfter_AndEmptiesAgain()
    {
        const int Capacity = 3;
        await using var server = await StartAsync(Free with { QueueCapacity = Capacity, Slots = 1 });
        using var client = Client(server);
        var waiting = Enumerable.Range(0, 40).Select(i => PostAsync(client, Ask(_texts[i % _texts.Length], i))).ToArray();
        var answers = await Task.WhenAll(waiting);
        var refused = answers.Where(a => a.StatusCode == HttpStatusCode.TooManyRequests).ToArray();
        Assert.That(refused, Is.Not.Empty);
        Assert.That(refused.Select(r => r.Headers.RetryAfter?.Delta), Is.All.InRange(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60)));
        Assert.That((await ErrorAsync(refused[0])).Type, Is.EqualTo("rate_limit_error"));
        Assert.That(answers.Count(a => a.StatusCode == HttpStatusCode.OK), Is.EqualTo(answers.Length - refused.Length));
        var metrics = await client.GetStringAsync(new Uri("metrics", UriKind.Relative));
        Assert.That(metrics, Does.Contain(string.Create(CultureInfo.InvariantCulture, $"llasa_texts_refused_total {refused.Length}\n")).And.Contains("llasa_queue_texts 0\n"));
        Assert.That(await SoundAsync(client, Ask("a big dog")), Is.Not.Empty);
    }

    [Test]
    public async Task Client_ThatGoesAway_TakesItsTextAlong()
    {
        await using var server = await StartAsync(Free with { Slots = 1 });
        using var client = Client(server);
        using CancellationTokenSource gone = new();
        // So hot that hardly one ends before its limit: to speak them takes far longer than to hear that nobody waits.
        var waiting = Enumerable.Range(0, 100).Select(i => PostAsync(client, Ask(_texts[i % _texts.Length], i, "\"temperature\": 10"), cancellation: gone.Token)).ToArray();
        await UntilAsync(() => server.Health.QueueDepth > 20);
        await gone.CancelAsync();
        var answered = 0;
        foreach (var request in waiting)
        {
            try
            {
                (await request).Dispose();
                answered++;
            }
            catch (OperationCanceledException)
            {
                // That is what it was.
            }
        }

        await UntilAsync(() => server.Health is { QueueDepth: 0, Speaking: 0 });
        Assert.That(await SoundAsync(client, Ask("a big dog")), Is.Not.Empty);
        var metrics = await client.GetStringAsync(new Uri("metrics", UriKind.Relative));
        Assert.That(metrics, Does.Contain("llasa_requests_total{endpoint=\"/v1/audio/speech\",status=\"499\"}"));
        var spoken = metrics.Split('\n').Single(l => l.StartsWith("llasa_texts_spoken_total ", StringComparison.Ordinal));
        // Besides what was answered: the warm-up, the last one, and what was at hand or on its way when they went.
        var unheard = int.Parse(spoken.Split(' ')[1], CultureInfo.InvariantCulture) - 2 - answered;
        Assert.That(unheard, Is.LessThan(waiting.Length - answered), "what waited was never spoken");
    }

    [Test]
    public async Task Request_ThatTakesTooLong_Gets504_AndTheServerGoesOn()
    {
        await using var server = await StartAsync(Free with { RequestTimeout = TimeSpan.FromSeconds(2), Slots = 1, PartCharacters = 10, MaxCharacters = 1_000_000 });
        using var client = Client(server);
        // Parts are spoken one after another: no machine says 20 000 of them in that time.
        var late = await ErrorAsync(await PostAsync(client, Ask(string.Concat(Enumerable.Repeat("a big dog. ", 20_000)))));
        Assert.That((late.Status, late.Code), Is.EqualTo((504, "timeout")));
        await UntilAsync(() => server.Health is { QueueDepth: 0, Speaking: 0 });
        // One alone has time enough, but for a machine that does other things at the moment.
        List<HttpStatusCode> answers = [];
        while (answers.Count < 20 && !answers.Contains(HttpStatusCode.OK))
        {
            using var next = await PostAsync(client, Ask("a big dog"));
            answers.Add(next.StatusCode);
        }

        Assert.That(answers[^1], Is.EqualTo(HttpStatusCode.OK));
        Assert.That(answers.SkipLast(1), Is.All.EqualTo(HttpStatusCode.GatewayTimeout));
    }

    /// <summary>SIGTERM while much waits: everything that was accepted is answered, exit code 0.</summary>
    [Test]
    public async Task Server_ToldToStopUnderLoad_AnswersWhatItAccepted()
    {
        using var process = LlasaRunner.StartAndAwait("listening on ", out var line, "serve", "--port", "0", "--drain", "120", "--slots", "2");
        using HttpClient client = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri(line.Split(' ')[2]), Timeout = TimeSpan.FromSeconds(120) };
        var accepted = Enumerable.Range(0, 20).Select(i => SoundAsync(client, Ask(_texts[i % _texts.Length], i))).ToArray();
        using CancellationTokenSource limit = new(TimeSpan.FromMinutes(1));
        while (!(await client.GetStringAsync(new Uri("metrics", UriKind.Relative), limit.Token)).Contains(
            string.Create(CultureInfo.InvariantCulture, $"llasa_requests_in_flight {accepted.Count(a => !a.IsCompleted) + 1}\n"), StringComparison.Ordinal))
        {
            await Task.Delay(2, limit.Token);
        }

        LlasaRunner.Signal(process, "TERM");
        Assert.That(await process.StandardError.ReadLineAsync(), Is.EqualTo("finishing the requests at hand"));
        Assert.That((await Task.WhenAll(accepted)).Select(a => Samples(a).Length), Is.All.Positive);
        await process.WaitForExitAsync();
        Assert.That(process.ExitCode, Is.Zero);
    }

    [Test]
    public async Task Server_WithNothingAtHand_CutsNothingOff_AlsoInNoTime()
    {
        await using var server = await StartAsync(Free with { DrainTimeout = TimeSpan.Zero });
        Assert.That(await server.StopAsync(), Is.True);
    }

    [Test]
    public void Serve_RefusesWhatMakesNoSense()
    {
        var refused = LlasaRunner.Run("serve", "--slots", "0", "--listen", "0.0.0.0", "--allow-upload", "--top-p", "2");
        Assert.That(refused.ExitCode, Is.EqualTo(2));
        Assert.That(refused.Error, Does.Contain("--slots").And.Contains("a token is needed").And.Contains("--allow-upload").And.Contains("--top-p").And.Contains("LLASA_SPEECH_TOKEN"));
        Assert.That(LlasaRunner.Run("serve", "--voices", Folder).Error, Does.Contain("holds no sound files"));
        // An address of documents' (RFC 5737), which no machine has.
        File.WriteAllText(Path.Combine(Folder, "token"), "0123456789abcdef");
        var elsewhere = LlasaRunner.Run("serve", "--listen", "192.0.2.1", "--port", "0", "--token-file", Path.Combine(Folder, "token"));
        Assert.That((elsewhere.ExitCode, elsewhere.Error), Is.EqualTo((2, elsewhere.Error)));
        Assert.That(elsewhere.Error, Does.StartWith("llasa: --listen 192.0.2.1 --port 0: "));
        Assert.That(LlasaRunner.Run("serve", "--voices", Path.Combine(Folder, "none")).Error, Does.Contain("no such folder"));
    }
}
