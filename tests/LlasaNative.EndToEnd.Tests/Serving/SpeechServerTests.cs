using System.Buffers.Binary;
using System.Net;
using System.Text.Json.Nodes;
using LlasaNative.Audio;
using LlasaNative.Data;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Serving.Speech;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>The endpoints of <c>llasa serve</c>, one request at a time.</summary>
public sealed class SpeechServerTests : SpeechServerFixture
{
    [Test]
    public async Task Speech_IsWhatTheModelsSayInThisProcess_AndFollowsTheSeed()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var first = await SoundAsync(client, Ask("a big dog", 1));
        Assert.That(first, Is.EqualTo(WaveFile.Encode(Locally("a big dog", 1).Sound, 16_000)));
        Assert.That(await SoundAsync(client, Ask("a big dog", 1)), Is.EqualTo(first));
        Assert.That(await SoundAsync(client, Ask("a big dog", 2)), Is.Not.EqualTo(first));
        Assert.That(await SoundAsync(client, Ask("a big dog", 1, "\"temperature\": 0")), Is.EqualTo(await SoundAsync(client, Ask("a big dog", 2, "\"temperature\": 0"))), "greedy");
    }

    [Test]
    public async Task Formats_HoldTheSameSound()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var wave = await SoundAsync(client, Ask("a big dog"));
        var samples = Samples(wave);
        var pcm = await SoundAsync(client, Ask("a big dog").Replace("\"wav\"", "\"pcm\"", StringComparison.Ordinal));
        var (_, sound) = Locally("a big dog", 1);
        Assert.That(
            Enumerable.Range(0, pcm.Length / 2).Select(i => BinaryPrimitives.ReadInt16LittleEndian(pcm.AsSpan(2 * i))),
            Is.EqualTo(WaveFile.ToPcm(Resampler.Resample(sound, 16_000, SoundFormat.PcmRate))), "24 kHz, as OpenAI's");
        foreach (var (format, type) in new[] { ("flac", "audio/flac"), ("mp3", "audio/mpeg"), ("opus", "audio/ogg"), ("aac", "audio/aac") })
        {
            using var response = await PostAsync(client, Ask("a big dog").Replace("\"wav\"", $"\"{format}\"", StringComparison.Ordinal));
            if (!SoundFormat.Available.Any(f => f.Name == format))
            {
                var (status, _, parameter, _, message) = await ErrorAsync(response);
                Assert.That((status, parameter), Is.EqualTo((400, "response_format")));
                Assert.That(message, Does.Contain("needs ffmpeg").And.Contains("wav"));
                continue;
            }

            Assert.That(response.Content.Headers.ContentType!.MediaType, Is.EqualTo(type));
            var body = await response.Content.ReadAsByteArrayAsync();
            if (SoundFormat.Available.Any(f => f.Name == "mp3"))
            {
                // Coders with loss pad by up to a few frames; the sound itself is of the same length and loudness.
                var decoded = SoundFile.Parse(body, format);
                Assert.That(decoded.Seconds, Is.EqualTo(samples.Length / 16_000.0).Within(format == "flac" ? 1e-9 : 0.2), format);
                Assert.That(Rms(decoded.Samples.Span), Is.EqualTo(Rms(samples)).Within(format == "flac" ? 1e-9 : 0.15 * Rms(samples)), format);
            }
        }

        // Without a format: OpenAI's, mp3, where it can be had.
        using var plain = await PostAsync(client, """{"input": "a big dog"}""");
        Assert.That(plain.Content.Headers.ContentType!.MediaType, Is.EqualTo(SoundFormat.Default.MediaType));
    }

    [TestCase("""{}""", "input", "missing or empty")]
    [TestCase("""{"input": " "}""", "input", "missing or empty")]
    [TestCase("""{"input": "a", "model": "gpt-4o-mini-tts"}""", "model", "there is `policy`", 404, "model_not_found")]
    [TestCase("""{"input": "a", "voice": "alloy"}""", "voice", "`voice` is `alloy`, there are default")]
    [TestCase("""{"input": "a", "voice": {"name": "x"}}""", "voice", "neither a name nor an object with an `id`")]
    [TestCase("""{"input": "a", "voice": 5}""", "voice", "neither a name nor an object")]
    [TestCase("""{"input": "a", "voice": "\ud800"}""", "voice", "`voice` is no text")]
    [TestCase("""{"input": "a", "voice": {"id": "\ud800"}}""", "voice", "`voice` is no text")]
    [TestCase("""{"input": "a", "voice": {"\ud800": 1, "id": "nobody"}}""", "voice", "JSON", 400, "malformed_request")]
    [TestCase("""{"input": "a", "\ud800": 1}""", null, "JSON", 400, "malformed_request")]
    [TestCase("""{"input": "a \ud800"}""", "input", "`input`: expected a text, in valid Unicode, found \"a \\ud800\"", 400, "malformed_request")]
    [TestCase("""{"input": "a", "response_format": "midi"}""", "response_format", "expected one of mp3, opus, aac, flac, wav, pcm")]
    [TestCase("""{"input": "a", "speed": 1.25}""", "speed", "`speed` is 1.25, only 1 can be had")]
    [TestCase("""{"input": "a", "instructions": "whisper"}""", "instructions", "cannot be followed")]
    [TestCase("""{"input": "a", "temperature": -1}""", "temperature", "1e-6 to 10")]
    [TestCase("""{"input": "a", "temperature": 1e-40}""", "temperature", "1e-6 to 10")]
    [TestCase("""{"input": "a", "temperature": 1e999}""", "temperature", "1e-6 to 10")]
    [TestCase("""{"input": "a", "top_p": 0}""", "top_p", "1e-6 to 1")]
    [TestCase("""{"input": "a", "top_p": 1e-300}""", "top_p", "1e-6 to 1")]
    [TestCase("""{"input": "a", "top_k": -1}""", "top_k", "less than 0")]
    [TestCase("""{"input": "a", "seed": -1}""", "seed", "less than 0")]
    [TestCase("""{"input": "a", "stream": false, "stream_format": "sse"}""", "stream", "`stream_format` asks for events")]
    [TestCase("""{"input": "a", "stream": "yes"}""", "stream", "`stream`: expected", 400, "malformed_request")]
    [TestCase("""{"input": "a\u0000b"}""", "input", "holds a NUL")]
    [TestCase("""{"input": 5}""", "input", "`input`: expected a text, in valid Unicode, found 5", 400, "malformed_request")]
    [TestCase("""{"input": "a", "speed": "1.0"}""", "speed", "`speed`: expected a number, found \"1.0\"", 400, "malformed_request")]
    [TestCase("""{"input": "a", "seed": 1.5}""", "seed", "`seed`: expected a whole number from -9223372036854775808 to 9223372036854775807, found 1.5", 400, "malformed_request")]
    [TestCase("""{"input": "a", "top_k": NaN}""", "top_k", "`top_k`: expected a whole number from -2147483648 to 2147483647, found NaN", 400, "malformed_request")]
    [TestCase("""[1]""", null, "not the JSON expected: expected an object, found [1]", 400, "malformed_request")]
    [TestCase("""{"input": "a", "input": "b"}""", "input", "uplicate", 400, "malformed_request")]
    [TestCase("""["input"]""", null, "JSON", 400, "malformed_request")]
    public async Task Speech_ThatCannotBeHad_IsRefusedInOpenAisShape(string body, string? parameter, string message, int status = 400, string code = "invalid_request")
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var error = await ErrorAsync(await PostAsync(client, body));
        Assert.That((error.Status, error.Type, error.Parameter, error.Code), Is.EqualTo((status, "invalid_request_error", parameter, code)));
        Assert.That(error.Message, Does.Contain(message));
    }

    [Test]
    public async Task Limits_AreSaid()
    {
        await using var server = await StartAsync(Free with { MaxCharacters = 30, MaxBodyBytes = 2048 });
        using var client = Client(server);
        Assert.That((await ErrorAsync(await PostAsync(client, Ask(new string('a', 31))))).Message, Does.Contain("has 31 characters, at most 30"));
        Assert.That((await ErrorAsync(await PostAsync(client, Ask(new string('a', 4000))))).Status, Is.EqualTo(413));
        using StringContent text = new("input=a");
        Assert.That((await ErrorAsync(await client.PostAsync(new Uri("v1/audio/speech", UriKind.Relative), text))).Status, Is.EqualTo(415));
        Assert.That((await ErrorAsync(await client.GetAsync(new Uri("v1/audio/speech", UriKind.Relative)))).Status, Is.EqualTo(405));
        var missing = await ErrorAsync(await client.GetAsync(new Uri("v1/audio/transcriptions", UriKind.Relative)));
        Assert.That(missing.Status, Is.EqualTo(404));
        Assert.That(missing.Message, Does.Contain("/v1/audio/speech"));
    }

    [Test]
    public async Task Models_Health_Metrics_AndHeads()
    {
        await using var server = await StartAsync(Free with { ModelName = "tiny" });
        using var client = Client(server);
        var models = JsonNode.Parse(await client.GetStringAsync(new Uri("v1/models", UriKind.Relative)))!;
        Assert.That(((string)models["object"]!, (string)models["data"]![0]!["id"]!, (string)models["data"]![0]!["object"]!), Is.EqualTo(("list", "tiny", "model")));
        Assert.That((string)JsonNode.Parse(await client.GetStringAsync(new Uri("v1/models/tiny", UriKind.Relative)))!["id"]!, Is.EqualTo("tiny"));
        Assert.That((await ErrorAsync(await client.GetAsync(new Uri("v1/models/other", UriKind.Relative)))).Code, Is.EqualTo("model_not_found"));
        var health = JsonNode.Parse(await client.GetStringAsync(new Uri("healthz", UriKind.Relative)))!;
        Assert.That(((string)health["status"]!, (string)health["model"]!, (int)health["sample_rate"]!), Is.EqualTo(("ok", "tiny", 16_000)));
        await SoundAsync(client, Ask("a big dog").Replace("policy", "tiny", StringComparison.Ordinal));
        var metrics = await client.GetStringAsync(new Uri("metrics", UriKind.Relative));
        Assert.That(metrics, Does.Contain("llasa_first_sound_seconds_count 0\n"), "what is sent whole has no first sound");
        Assert.That(metrics, Does.Contain("llasa_info{model=\"tiny\"} 1\n").And.Contains("llasa_requests_total{endpoint=\"/v1/audio/speech\",status=\"200\"} 1\n")
            .And.Contains("llasa_requests_total{endpoint=\"/v1/models/{id}\",status=\"404\"} 1\n").And.Contains("llasa_texts_spoken_total 2\n"), "the warm-up and one");
        await SoundAsync(client, Ask("a big dog", more: "\"stream_format\": \"audio\"").Replace("policy", "tiny", StringComparison.Ordinal));
        Assert.That(await client.GetStringAsync(new Uri("metrics", UriKind.Relative)), Does.Contain("llasa_first_sound_seconds_count 1\n"));
        foreach (var path in new[] { "v1/models", "v1/models/tiny", "v1/audio/voices", "healthz", "metrics" })
        {
            using var head = await client.SendAsync(new HttpRequestMessage(HttpMethod.Head, new Uri(path, UriKind.Relative)));
            Assert.That((head.StatusCode, head.Content.Headers.ContentLength > 0, (await head.Content.ReadAsByteArrayAsync()).Length), Is.EqualTo((HttpStatusCode.OK, true, 0)), path);
        }
    }

    [Test]
    public async Task Token_IsAskedFor_ButNotByHealth()
    {
        await using var server = await StartAsync(Free with { Token = "0123456789abcdef" });
        using var stranger = Client(server, "0123456789abcdeX");
        using var friend = Client(server, "0123456789abcdef");
        var refused = await ErrorAsync(await PostAsync(stranger, Ask("a")));
        Assert.That((refused.Status, refused.Type), Is.EqualTo((401, "authentication_error")));
        Assert.That((await stranger.GetAsync(new Uri("healthz", UriKind.Relative))).StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await SoundAsync(friend, Ask("a big dog")), Is.Not.Empty);
    }

    [Test]
    public async Task Voices_OfAFolder_ArePrompts()
    {
        var path = MakeVoice("river", "the quiet river");
        await using var server = await StartAsync(Free with { Voices = Folder });
        using var client = Client(server);
        var list = JsonNode.Parse(await client.GetStringAsync(new Uri("v1/audio/voices", UriKind.Relative)))!["voices"]!.AsArray();
        Assert.That(list.Select(v => ((string)v!["id"]!, (string?)v["text"])), Is.EqualTo(new[] { ("default", (string?)null), ("river", "the quiet river") }));
        var spoken = await SoundAsync(client, Ask("a green stone").Replace("\"default\"", "\"river\"", StringComparison.Ordinal));
        int[] codes;
        using (var codec = SpeechCodec.Load(TinyWorld.Codec, withEncoder: true))
        {
            codes = codec.Encode(WaveFile.Read(path).Samples.Span);
        }

        Assert.That(spoken, Is.EqualTo(WaveFile.Encode(Locally("a green stone", 1, new Utterance("the quiet river", codes)).Sound, 16_000)));
        Assert.That(await SoundAsync(client, Ask("a green stone").Replace("\"default\"", "{\"id\": \"river\"}", StringComparison.Ordinal)), Is.EqualTo(spoken));
        using MultipartFormDataContent form = new() { { new StringContent("new"), "name" }, { new ByteArrayContent(File.ReadAllBytes(path)), "audio_sample", "a.wav" } };
        Assert.That((await ErrorAsync(await client.PostAsync(new Uri("v1/audio/voices", UriKind.Relative), form))).Status, Is.EqualTo(403));
    }

    [Test]
    public async Task Voices_CanBeAdded_WhereThatIsAllowed()
    {
        var sound = File.ReadAllBytes(MakeVoice("river", "the quiet river"));
        var shelf = Directory.CreateDirectory(Path.Combine(Folder, "voices")).FullName;
        async Task<HttpResponseMessage> AddAsync(HttpClient client, string name, byte[] file, string text)
        {
            using MultipartFormDataContent form = new() { { new StringContent(name), "name" }, { new ByteArrayContent(file), "audio_sample", "a.wav" }, { new StringContent(text), "text" } };
            return await client.PostAsync(new Uri("v1/audio/voices", UriKind.Relative), form);
        }

        byte[] expected;
        await using (var server = await StartAsync(Free with { Voices = shelf, AllowUpload = true }))
        {
            using var client = Client(server);
            using var added = await AddAsync(client, "said", sound, "the quiet river");
            Assert.That((string)JsonNode.Parse(await added.Content.ReadAsStringAsync())!["text"]!, Is.EqualTo("the quiet river"));
            using var heard = await AddAsync(client, "heard", sound, "");
            Assert.That((string)JsonNode.Parse(await heard.Content.ReadAsStringAsync())!["text"]!, Is.Not.Empty, "recognised");
            foreach (var (name, file, parameter) in new[] { ("../x", sound, "name"), ("", sound, "name"), ("new\n", sound, "name"), ("said", sound, "name"), ("default", sound, "name"), ("noise", new byte[] { 1, 2, 3 }, "audio_sample"), ("long", WaveFile.Encode(new float[6100], 100), "audio_sample") })
            {
                var refused = await ErrorAsync(await AddAsync(client, name, file, "a"));
                Assert.That((refused.Status, refused.Parameter), Is.EqualTo((400, parameter)), refused.Message);
            }

            // Müde in Latin-1, and a text with a NUL.
            foreach (var text in new[] { (byte[])[(byte)'M', 0xFC, (byte)'d', (byte)'e'], [(byte)'a', 0] })
            {
                using MultipartFormDataContent form = new() { { new StringContent("latin"), "name" }, { new ByteArrayContent(sound), "audio_sample", "a.wav" }, { new ByteArrayContent(text), "text" } };
                Assert.That((await ErrorAsync(await client.PostAsync(new Uri("v1/audio/voices", UriKind.Relative), form))).Parameter, Is.EqualTo("text"));
            }

            expected = await SoundAsync(client, Ask("a green stone").Replace("\"default\"", "\"said\"", StringComparison.Ordinal));
            foreach (var site in new[] { "cross-site", "same-site", "elsewhere" })
            {
                using var page = Client(server);
                page.DefaultRequestHeaders.Add("Sec-Fetch-Site", site);
                Assert.That((await ErrorAsync(await AddAsync(page, "page", sound, "a"))).Status, Is.EqualTo(403), site);
            }

            using var own = Client(server);
            own.DefaultRequestHeaders.Add("Sec-Fetch-Site", "same-origin");
            Assert.That((await ErrorAsync(await AddAsync(own, "said", sound, "a"))).Parameter, Is.EqualTo("name"), "taken as any other");
        }

        Assert.That(Directory.GetFiles(shelf).Select(Path.GetFileName), Is.EquivalentTo(new[] { "said.wav", "said.txt", "heard.wav", "heard.txt" }));
        await using var again = await StartAsync(Free with { Voices = shelf });
        using var other = Client(again);
        Assert.That(await SoundAsync(other, Ask("a green stone").Replace("\"default\"", "\"said\"", StringComparison.Ordinal)), Is.EqualTo(expected), "the voice is there after a restart");
    }

    [Test]
    public async Task Voice_ThatLeavesNoRoomForSpeech_IsRefusedBeforeAnybodyAsksForIt()
    {
        // 50 codes a second: 20 s are about 1,000, and the tiny model has 512 places.
        WaveFile.Write(Path.Combine(Folder, "long.wav"), [.. Enumerable.Range(0, 16_000 * 20).Select(i => 0.3f * MathF.Sin(0.1f * i))], 16_000);
        File.WriteAllText(Path.Combine(Folder, "long.txt"), "a");
        Assert.That(async () => await StartAsync(Free with { Voices = Folder }), Throws.TypeOf<UsageException>().With.Message.Contains("`long`: ").And.Message.Contains("its voice prompt of "));
        var shelf = Directory.CreateDirectory(Path.Combine(Folder, "voices")).FullName;
        await using var server = await StartAsync(Free with { Voices = shelf, AllowUpload = true });
        using var client = Client(server);
        using MultipartFormDataContent form = new()
        {
            { new StringContent("long"), "name" }, { new ByteArrayContent(File.ReadAllBytes(Path.Combine(Folder, "long.wav"))), "audio_sample", "a.wav" }, { new StringContent("a"), "text" },
        };
        var refused = await ErrorAsync(await client.PostAsync(new Uri("v1/audio/voices", UriKind.Relative), form));
        Assert.That((refused.Status, refused.Parameter, refused.Message), Is.EqualTo((400, "audio_sample", refused.Message)));
        Assert.That(refused.Message, Does.Contain("its voice prompt of "));
        Assert.That(Directory.GetFiles(shelf), Is.Empty);
    }

    [Test]
    public async Task Voice_ThatCannotBeKept_IsTheServersFault()
    {
        var sound = File.ReadAllBytes(MakeVoice("river", "the quiet river"));
        var shelf = Directory.CreateDirectory(Path.Combine(Folder, "voices")).FullName;
        await using var server = await StartAsync(Free with { Voices = shelf, AllowUpload = true });
        using var client = Client(server);
        async Task<HttpResponseMessage> AddAsync()
        {
            using MultipartFormDataContent form = new() { { new StringContent("new"), "name" }, { new ByteArrayContent(sound), "audio_sample", "a.wav" }, { new StringContent("a"), "text" } };
            return await client.PostAsync(new Uri("v1/audio/voices", UriKind.Relative), form);
        }

        File.WriteAllText(Path.Combine(shelf, "new.flac"), "laid there meanwhile");
        var taken = await ErrorAsync(await AddAsync());
        Assert.That((taken.Status, taken.Parameter), Is.EqualTo((400, "name")));
        Directory.Delete(shelf, recursive: true);
        File.WriteAllText(shelf, "no folder");
        var error = await ErrorAsync(await AddAsync());
        Assert.That((error.Status, error.Type), Is.EqualTo((500, "server_error")), error.Message);
        Assert.That(await client.GetStringAsync(new Uri("v1/audio/voices", UriKind.Relative)), Does.Not.Contain("\"new\""));
    }

    private static double Rms(ReadOnlySpan<float> samples)
    {
        var sum = 0.0;
        foreach (var sample in samples)
        {
            sum += sample * sample;
        }

        return Math.Sqrt(sum / samples.Length);
    }
}
