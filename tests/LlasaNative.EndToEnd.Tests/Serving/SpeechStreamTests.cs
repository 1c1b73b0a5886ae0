using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using LlasaNative.Audio;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Serving.Speech;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Sound that leaves while tokens are drawn.</summary>
public sealed class SpeechStreamTests : SpeechServerFixture
{
    private const string Text = "the quiet river and a green stone and the old house";

    [Test]
    public async Task Stream_HasTheWholesLength_AndComesCloseToIt()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var whole = Samples(await SoundAsync(client, Ask(Text)));
        var bytes = await SoundAsync(client, Ask(Text, more: "\"stream_format\": \"audio\""));
        var streamed = Samples(bytes);
        Assert.That(streamed, Has.Length.EqualTo(whole.Length));
        // docs/serving.md: the windows' error is measured there; half the amplitude would be another sound.
        Assert.That(Snr(whole, streamed), Is.GreaterThan(10));
        // What the policy draws is the same, and the last window sees all that its part is made of.
        if (SoundFormat.Find("wav").WhyNot is null && SoundFormat.Available.Any(f => f.Name == "mp3"))
        {
            foreach (var format in new[] { "flac", "mp3" })
            {
                var other = SoundFile.Parse(await SoundAsync(client, Ask(Text, more: "\"stream_format\": \"audio\"").Replace("\"wav\"", $"\"{format}\"", StringComparison.Ordinal)), format);
                Assert.That(other.Seconds, Is.EqualTo(whole.Length / 16_000.0).Within(format == "flac" ? 1e-9 : 0.2), format);
            }
        }
    }

    [TestCase("\"stream\": true", true)]
    [TestCase("\"stream\": false", false)]
    [TestCase("\"stream\": null", false)]
    [TestCase("\"stream\": false, \"stream_format\": \"audio\"", false)]
    [TestCase("\"stream\": true, \"stream_format\": \"sse\"", true)]
    public async Task Stream_AsManyClientsAskForIt_IsAStream(string more, bool isStream)
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        using var response = await PostAsync(client, Ask(Text, more: more));
        Assert.That(((int)response.StatusCode, response.Headers.TransferEncodingChunked == true), Is.EqualTo((200, isStream)));
        Assert.That(response.Content.Headers.ContentType!.MediaType, Is.EqualTo(more.Contains("sse", StringComparison.Ordinal) ? "text/event-stream" : "audio/wav"));
    }

    [Test]
    public void Windows_ThatSeeEverything_GiveTheWholeSound_AndOthersNoGap()
    {
        using var codec = SpeechCodec.Load(TinyWorld.Codec);
        int[] codes = Locally(Text, 3).Codes;
        using var whole = codec.Decode([codes]);
        Assert.That(SpeechBench.Compare(codec, [codes], new StreamWindows { Left = 1000, Right = 1000 }).SnrDb, Is.GreaterThan(100), "one window");
        var last = 0.0;
        foreach (var context in new[] { 2, 10, 40 })
        {
            var snr = SpeechBench.Compare(codec, [codes], new StreamWindows { Left = context, Right = context }).SnrDb;
            Assert.That(snr, Is.GreaterThan(last), "more context, less error");
            last = snr;
        }
    }

    [TestCase(0, 20, false, 10)]
    [TestCase(0, 19, false, null)]
    [TestCase(0, 5, true, 5)]
    [TestCase(0, 30, true, 10)]
    [TestCase(10, 69, false, null)]
    [TestCase(10, 70, false, 60)]
    [TestCase(60, 60, true, null)]
    public void Windows_AreCutWhenWhatIsBehindThemIsThere(int from, int drawn, bool ended, int? to) =>
        Assert.That(new StreamWindows { First = 10, Part = 50, Right = 10 }.Next(from, drawn, ended), Is.EqualTo(to));

    [Test]
    public async Task Sound_LeavesBeforeTheTextIsSpoken_AndARequestThatComesLaterJoins()
    {
        // As many tokens as the model has room for, so that the first is still spoken when the second has ended.
        await using var server = await StartAsync(Free with { MaxNewTokens = 400 });
        using var client = Client(server);
        // Never the end: a temperature at which the end's one token of a thousand hardly comes.
        using var endless = await BeginAsync(client, Ask(Text, more: "\"stream_format\": \"audio\", \"temperature\": 10, \"top_p\": 1"));
        await using var body = await endless.Content.ReadAsStreamAsync();
        var buffer = new byte[1 << 16];
        var first = 0;
        while (first <= 44)
        {
            first += await body.ReadAsync(buffer);
        }

        Assert.That(server.Health.Speaking, Is.EqualTo(1), "its first sound is here, and it goes on");
        var joined = await SoundAsync(client, Ask("a big dog", more: "\"temperature\": 10, \"top_p\": 1"));
        Assert.That(Samples(joined), Is.Not.Empty);
        for (int count; (count = await body.ReadAsync(buffer)) > 0;)
        {
            first += count;
        }

        Assert.That(first, Is.GreaterThan(buffer.Length), "the rest");
        var metrics = await client.GetStringAsync(new Uri("metrics", UriKind.Relative));
        Assert.That(metrics, Does.Match("llasa_batch_texts_bucket\\{le=\"2\"\\} 3\n").And.Match("llasa_batch_texts_bucket\\{le=\"1\"\\} 2\n"), "the warm-up and the first alone, the second beside it");
    }

    [Test]
    public async Task Events_CarryTheSameSound_AndEndWithTheUsage()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var body = await SoundAsync(client, Ask(Text, more: "\"stream_format\": \"audio\""));
        using var response = await PostAsync(client, Ask(Text, more: "\"stream_format\": \"sse\""));
        Assert.That(response.Content.Headers.ContentType, Is.EqualTo(new MediaTypeHeaderValue("text/event-stream")));
        var events = (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Select(e => JsonNode.Parse(e["data: ".Length..])!).ToArray();
        Assert.That(events[..^1].Select(e => (string)e["type"]!), Is.All.EqualTo("speech.audio.delta"));
        byte[] sent = [.. events[..^1].SelectMany(e => Convert.FromBase64String((string)e["audio"]!))];
        Assert.That(sent, Has.Length.EqualTo(body.Length));
        Assert.That(sent.Take(44), Is.EqualTo(body.Take(44)));
        // Windows that are ready at one time are decoded together, where a library's product may round a row by its place.
        Assert.That(Samples(sent), Is.EqualTo(Samples(body)).Within(1.01 / 32768));
        Assert.That((string)events[^1]["type"]!, Is.EqualTo("speech.audio.done"));
        Assert.That((int)events[^1]["usage"]!["output_tokens"]!, Is.EqualTo(Samples(body).Length / 320));
        Assert.That((await ErrorAsync(await PostAsync(client, Ask(Text, more: "\"stream_format\": \"tape\"")))).Parameter, Is.EqualTo("stream_format"));
    }

    [Test]
    public async Task Listener_ThatGoesAway_FreesItsPlace()
    {
        await using var server = await StartAsync(Free with { MaxNewTokens = 400, Slots = 1 });
        using var client = Client(server);
        for (var i = 0; i < 5; i++)
        {
            using var connection = await RawRequest.ConnectAsync(server.Url);
            await connection.GetStream().WriteAsync(RawRequest.Post("/v1/audio/speech", Encoding.UTF8.GetBytes(Ask(Text, i, "\"stream_format\": \"audio\", \"temperature\": 10, \"top_p\": 1"))));
            Assert.That(await connection.GetStream().ReadAsync(new byte[1]), Is.EqualTo(1), "the answer has begun");
            connection.LingerState = new LingerOption(true, 0);
        }

        await UntilAsync(() => server.Health is { Speaking: 0, QueueDepth: 0 });
        var metrics = await client.GetStringAsync(new Uri("metrics", UriKind.Relative));
        Assert.That(metrics, Does.Match("llasa_requests_total\\{endpoint=\"/v1/audio/speech\",status=\"499\"\\} [1-5]\n"));
        Assert.That(await SoundAsync(client, Ask("a big dog")), Is.Not.Empty);
    }

    private static async Task<HttpResponseMessage> BeginAsync(HttpClient client, string json)
    {
        using HttpRequestMessage message = new(HttpMethod.Post, new Uri("v1/audio/speech", UriKind.Relative)) { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        return await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead);
    }

    private static double Snr(float[] expected, float[] actual)
    {
        double power = 0, error = 0;
        for (var i = 0; i < expected.Length; i++)
        {
            power += expected[i] * (double)expected[i];
            error += (expected[i] - (double)actual[i]) * (expected[i] - actual[i]);
        }

        return 10 * Math.Log10(power / error);
    }
}
