using System.Net;
using System.Text.Json;
using LlasaNative.Audio;
using LlasaNative.Recognition;
using LlasaNative.Recognition.Wire;
using LlasaNative.Models;
using LlasaNative.Rewards;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests.Serving;

public sealed class RewardServerTests : RewardServerFixture
{
    [Test]
    public async Task Score_IsWhatTheReferenceServerComputes()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        using var response = await PostAsync(client, "score", JsonSerializer.Serialize(Sample(1), WireJson.Default.ScoreRequest));
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        // Start of transcript, text, end; the mean runs over all but the first token.
        var expected = await LocallyAsync(new ScoringOptions { Prompt = ScorePromptStyle.Seed }, RecognitionExtras.None, Sample(1));
        Assert.Multiple(() =>
        {
            Assert.That(json.RootElement.EnumerateObject().Select(p => p.Name), Is.EqualTo(new[] { "nll", "transcript" }));
            Assert.That(json.RootElement.GetProperty("nll").GetDouble(), Is.EqualTo(expected[0].Score.Nll));
            Assert.That(json.RootElement.GetProperty("transcript").GetString(), Is.EqualTo(expected[0].Score.Transcript));
        });
    }

    [Test]
    public async Task ScoreWav_IsWhatScoreSaysOfTheSameSound()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var sound = (await LocallyAsync(new ScoringOptions(), RecognitionExtras.Sound, Sample(2)))[0].Sound!;
        using var response = await client.PostAsync(new Uri("score_wav?text=a%20big%20dog", UriKind.Relative), new ByteArrayContent(WaveFile.Encode(sound, 16000)));
        var scored = JsonSerializer.Deserialize(await response.Content.ReadAsStringAsync(), WireJson.Default.ScoreResponse)!;
        var direct = await ScoreAsync(client, Sample(2));
        // 16-bit samples against floats: the rounding of the WAV.
        Assert.That(scored.Nll, Is.EqualTo(direct.Nll).Within(0.02));
        Assert.That(scored.Transcript, Is.EqualTo(direct.Transcript));
    }

    [TestCase(ScorePromptStyle.Full, "en")]
    [TestCase(ScorePromptStyle.Seed, "en")]
    public async Task ScoreBatch_HasTheBitsOfTheSameModelsInThisProcess(ScorePromptStyle prompt, string language)
    {
        // The last is longer than the recogniser's window, and what is behind that counts as silent; transcripts end after a few letters.
        ScoringOptions scoring = new() { Prompt = prompt, Language = language, BatchSize = 3, SilenceRms = 0.9, Bound = new TranscriptBound(0.1, TextNormalization.English) };
        ScoreRequest[] samples = [Sample(1), Sample(2, 0), Sample(3, 90, "the cat sleeps"), Sample(4, 7, ""), Sample(5, 61), Sample(6, 220)];
        await using var server = await StartAsync();
        using var client = Client(server);
        var answer = await ScoreBatchAsync(client, new BatchRequest { Samples = samples, Scoring = ScoringRequest.From(scoring), Sound = true, Prosody = true });
        var expected = await LocallyAsync(scoring, RecognitionExtras.Sound | RecognitionExtras.Prosody, samples);
        Assert.That(answer.Model, Is.EqualTo(server.Health.Model));
        Assert.That(answer.Results.Select(r => r.BeyondWindow), Is.EqualTo(new[] { false, false, false, false, false, true }));
        Assert.That(answer.Results.Count(r => r.EndedEarly), Is.Positive);
        for (var i = 0; i < samples.Length; i++)
        {
            var recognised = answer.Results[i].ToRecognisedSample();
            Assert.Multiple(() =>
            {
                Assert.That(recognised with { Sound = null }, Is.EqualTo(expected[i] with { Sound = null }), $"sample {i}");
                Assert.That(recognised.Sound, Is.EqualTo(expected[i].Sound), $"sound {i}");
            });
        }
    }

    [Test]
    public async Task Health_SaysWhoAndWhatAndHowMuch()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var health = await HealthAsync(client);
        Assert.Multiple(() =>
        {
            Assert.That(health.Status, Is.EqualTo("ok"));
            Assert.That(health.Model, Does.Match("^whisper@[0-9a-f]{12}\\+xcodec2@[0-9a-f]{12}$"));
            Assert.That(health.Backend, Is.EqualTo("cpu"));
            Assert.That(health.Device, Is.Not.Empty);
            Assert.That((health.QueueDepth, health.QueueCapacity, health.CodeCount), Is.EqualTo((0, 1024, 1024)));
        });
    }

    [TestCase("score", "", 400, "malformed-request")]
    [TestCase("score", "{", 400, "malformed-request")]
    [TestCase("score", "null", 400, "malformed-request")]
    [TestCase("score", "[]", 400, "malformed-request")]
    [TestCase("score", "{\"text\": \"x\"}", 400, "malformed-request")]
    [TestCase("score", "{\"tokens\": null, \"text\": \"x\"}", 400, "malformed-request")]
    [TestCase("score", "{\"tokens\": [1.5], \"text\": \"x\"}", 400, "malformed-request")]
    [TestCase("score", "{\"tokens\": [99999999999], \"text\": \"x\"}", 400, "malformed-request")]
    [TestCase("score", "{\"tokens\": [1], \"tokens\": [2], \"text\": \"x\"}", 400, "malformed-request")]
    [TestCase("score", "{\"tokens\": [1], \"text\": \"\\ud800\"}", 400, "malformed-request")]
    [TestCase("score", "{\"tokens\": [-1], \"text\": \"x\"}", 422, "invalid-request")]
    [TestCase("score", "{\"tokens\": [1024], \"text\": \"x\"}", 422, "invalid-request")]
    [TestCase("score_batch", "{\"samples\": []}", 422, "invalid-request")]
    [TestCase("score_batch", "{\"samples\": [null]}", 400, "malformed-request")]
    [TestCase("score_batch", "{\"samples\": [{\"tokens\": [1024], \"text\": \"x\"}]}", 422, "invalid-request")]
    [TestCase("score_batch", "{\"samples\": [{\"tokens\": [1], \"text\": \"x\"}], \"scoring\": {\"prompt\": \"long\", \"language\": \"en\", \"batch_size\": 1}}", 422, "invalid-request")]
    [TestCase("score_batch", "{\"samples\": [{\"tokens\": [1], \"text\": \"x\"}], \"scoring\": {\"prompt\": \"full\", \"language\": \"xx\", \"batch_size\": 1}}", 422, "invalid-request")]
    [TestCase("score_batch", "{\"samples\": [{\"tokens\": [1], \"text\": \"x\"}], \"scoring\": {\"prompt\": \"full\", \"language\": \"en\", \"batch_size\": 0}}", 422, "invalid-request")]
    [TestCase("score", "{\"tokens\": [1], \"text\": \"x\", \"lead\": 2}", 422, "invalid-request")]
    [TestCase("score", "{\"tokens\": [1], \"text\": \"x\", \"lead\": -1}", 422, "invalid-request")]
    [TestCase("score_wav?text=x", "no WAV", 400, "malformed-request")]
    [TestCase("score_wav", "no WAV", 422, "invalid-request")]
    [TestCase("check", "{\"texts\": [null]}", 400, "malformed-request")]
    [TestCase("nowhere", "{}", 404, "not-found")]
    [TestCase("healthz", "{}", 405, "method-not-allowed")]
    public async Task BadRequests_GetAProblem_AndTheServerGoesOn(string path, string body, int status, string kind)
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        var problem = await ProblemAsync(await PostAsync(client, path, body));
        Assert.That((problem.Status, problem.Kind), Is.EqualTo((status, kind)), problem.Detail);
        Assert.That((await ScoreAsync(client, Sample(1))).Nll, Is.Not.Null);
    }

    [Test]
    public async Task Head_OfWhatCanBeGot_IsItsHead()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        foreach (var path in new[] { "healthz", "openapi.json", "metrics" })
        {
            using HttpRequestMessage request = new(HttpMethod.Head, new Uri(path, UriKind.Relative));
            using var head = await client.SendAsync(request);
            using var got = await client.GetAsync(new Uri(path, UriKind.Relative));
            Assert.Multiple(async () =>
            {
                Assert.That(head.StatusCode, Is.EqualTo(HttpStatusCode.OK), path);
                Assert.That(head.Content.Headers.ContentType, Is.EqualTo(got.Content.Headers.ContentType));
                Assert.That(head.Content.Headers.ContentLength, path == "metrics" ? Is.Positive : Is.EqualTo(got.Content.Headers.ContentLength));
                Assert.That(await head.Content.ReadAsByteArrayAsync(), Is.Empty);
            });
        }

        using HttpRequestMessage posted = new(HttpMethod.Head, new Uri("score", UriKind.Relative));
        using var refused = await client.SendAsync(posted);
        Assert.That(refused.StatusCode, Is.EqualTo(HttpStatusCode.MethodNotAllowed));
    }

    [Test]
    public async Task ANaNThatNobodyReads_InARequest_IsPassedOver()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        using var plain = await PostAsync(client, "score", "{\"tokens\": [1, 2, 3], \"text\": \"a\"}");
        using var withMore = await PostAsync(client, "score", "{\"tokens\": [1, 2, 3], \"text\": \"a\", \"weight\": NaN}");
        Assert.That(await withMore.Content.ReadAsStringAsync(), Is.EqualTo(await plain.Content.ReadAsStringAsync()));
        using var bad = await PostAsync(client, "score", "{\"tokens\": [1, NaN, 3], \"text\": \"a\"}");
        Assert.That((plain.StatusCode, bad.StatusCode), Is.EqualTo((HttpStatusCode.OK, HttpStatusCode.BadRequest)));
    }

    [Test]
    public async Task Limits_AreNamedInTheProblem()
    {
        await using var server = await StartAsync(Free with { MaxCodes = 50, MaxSamples = 2, QueueCapacity = 2, MaxBodyBytes = 4096 });
        using var client = Client(server);
        var words = string.Join(' ', Enumerable.Repeat("long", 200));
        Assert.Multiple(async () =>
        {
            Assert.That((await ProblemAsync(await PostAsync(client, "score", Json(Sample(1, 51))))).Detail, Does.Contain("51, expected at most 50"));
            Assert.That((await ProblemAsync(await PostAsync(client, "score", Json(Sample(1, 5, words))))).Detail, Does.Contain("max_target_positions"));
            Assert.That((await ProblemAsync(await PostAsync(client, "score", new string(' ', 5000)))).Status, Is.EqualTo(413));
            BatchRequest three = new() { Samples = [Sample(1, 1), Sample(2, 1), Sample(3, 1)] };
            var many = await ProblemAsync(await PostAsync(client, "score_batch", JsonSerializer.Serialize(three, WireJson.Default.BatchRequest)));
            Assert.That(many.Detail, Does.Contain("3, expected 1 to 2"));
            var check = await PostAsync(client, "check", $"{{\"texts\": [\"fine\", \"{words}\"]}}");
            Assert.That(await check.Content.ReadAsStringAsync(), Does.Contain("\"index\":1").And.Not.Contain("\"index\":0"));
        });
    }

    [Test]
    public async Task Body_OfAnotherMediaType_IsRefused()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        using StringContent form = new("tokens=1", System.Text.Encoding.UTF8, "application/x-www-form-urlencoded");
        Assert.That((await ProblemAsync(await client.PostAsync(new Uri("score", UriKind.Relative), form))).Status, Is.EqualTo(415));
    }

    [Test]
    public async Task Token_IsAskedForEverywhereButHealth()
    {
        const string Token = "correct horse battery staple";
        await using var server = await StartAsync(Free with { Token = Token });
        using var stranger = Client(server);
        using var liar = Client(server, "correct horse battery stapl");
        using var friend = Client(server, Token);
        Assert.Multiple(async () =>
        {
            foreach (var path in new[] { "metrics", "openapi.json", "nowhere" })
            {
                Assert.That((await ProblemAsync(await stranger.GetAsync(new Uri(path, UriKind.Relative)))).Status, Is.EqualTo(401), path);
            }

            var refused = await PostAsync(liar, "score", Json(Sample(1)));
            Assert.That(refused.Headers.WwwAuthenticate.ToString(), Is.EqualTo("Bearer"));
            Assert.That((await ProblemAsync(refused)).Kind, Is.EqualTo("unauthorised"));
            Assert.That((await HealthAsync(stranger)).Status, Is.EqualTo("ok"));
            Assert.That((await ScoreAsync(friend, Sample(1))).Nll, Is.Not.Null);
        });
    }

    [Test]
    public void Address_ThatCanBeReachedFromOutside_NeedsAToken()
    {
        Assert.That(() => StartAsync(Free with { Address = IPAddress.Any }), Throws.TypeOf<UsageException>().With.Message.Contains("token"));
        Assert.That(() => StartAsync(Free with { Token = "short" }), Throws.TypeOf<UsageException>().With.Message.Contains("16 characters"));
    }

    [Test]
    public async Task Port_InUse_IsAUsageError()
    {
        await using var server = await StartAsync();
        Assert.That(() => StartAsync(Free with { Port = server.Url.Port }), Throws.TypeOf<UsageException>().With.Message.Contains("--port"));
    }

    [Test]
    public async Task Metrics_CountWhatHappened()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        await ScoreAsync(client, Sample(1));
        await ScoreBatchAsync(client, new BatchRequest { Samples = [Sample(1), Sample(2), Sample(3)] });
        (await PostAsync(client, "score", "{")).Dispose();
        var text = await client.GetStringAsync(new Uri("metrics", UriKind.Relative));
        Assert.Multiple(() =>
        {
            Assert.That(text, Does.Contain("llasa_requests_total{endpoint=\"/score\",status=\"200\"} 1\n"));
            Assert.That(text, Does.Contain("llasa_requests_total{endpoint=\"/score\",status=\"400\"} 1\n"));
            // The one that warmed the server up, the single one, the batch.
            Assert.That(text, Does.Contain("llasa_samples_scored_total 5\n"));
            Assert.That(text, Does.Contain("llasa_batch_samples_bucket{le=\"2\"} 2\n").And.Contain("llasa_batch_samples_bucket{le=\"4\"} 3\n"));
            Assert.That(text, Does.Contain("llasa_queue_samples 0\n"));
            // Every line is a comment or a name, labels and a number; every family is introduced once.
            foreach (var line in text.TrimEnd('\n').Split('\n'))
            {
                Assert.That(line, Does.Match("^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\\{[^}]*\\})? (\\d+(\\.\\d+)?(E-?\\d+)?))$"));
            }

            Assert.That(text.Split('\n').Where(l => l.StartsWith("# TYPE", StringComparison.Ordinal)).GroupBy(l => l).All(g => g.Count() == 1));
        });
    }

    [Test]
    public async Task ScoreBatch_WithAVoicePrompt_HearsWhatFollowsItAsModelsHereDo()
    {
        await using var server = await StartAsync();
        using var remote = Recognition.Remote.RemoteRecognition.Connect(
            new RewardServerOptions { Servers = server.Url.ToString() }, new ScoringOptions(), null, null, CancellationToken.None);
        using var local = Engine.NativeEngine.LoadRecognition(Models, new ScoringOptions());
        int[][] codes = [Sample(1).Tokens, Sample(2).Tokens];
        var there = (await remote.RecogniseAsync(codes, ["a", "b"], RecognitionExtras.Sound, CancellationToken.None, [12, 0])).Samples;
        var here = (await local.RecogniseAsync(codes, ["a", "b"], RecognitionExtras.Sound, CancellationToken.None, [12, 0])).Samples;
        Assert.That(there.Select(s => s.Score), Is.EqualTo(here.Select(s => s.Score)));
        Assert.That(there.Select(s => s.Sound), Is.EqualTo(here.Select(s => s.Sound)));
        Assert.That(there[0].Seconds, Is.EqualTo(28 * 0.02).Within(1e-9));
    }

    [Test]
    public async Task OpenApi_DescribesEveryEndpointAndBody()
    {
        await using var server = await StartAsync();
        using var client = Client(server);
        using var document = JsonDocument.Parse(await client.GetStringAsync(new Uri("openapi.json", UriKind.Relative)));
        var schemas = document.RootElement.GetProperty("components").GetProperty("schemas");
        foreach (var schema in schemas.EnumerateObject())
        {
            var type = typeof(WireJson).Assembly.GetType($"LlasaNative.Recognition.Wire.{schema.Name}")!;
            var properties = WireJson.Default.GetTypeInfo(type)!.Properties;
            Assert.That(schema.Value.GetProperty("properties").EnumerateObject().Select(p => p.Name), Is.EquivalentTo(properties.Select(p => p.Name)), schema.Name);
            Assert.That(
                schema.Value.GetProperty("required").EnumerateArray().Select(r => r.GetString()), Is.SupersetOf(properties.Where(p => p.IsRequired).Select(p => p.Name)), schema.Name);
        }

        foreach (var path in document.RootElement.GetProperty("paths").EnumerateObject())
        {
            var method = path.Value.EnumerateObject().Single().Name;
            using HttpRequestMessage request = new(new HttpMethod(method), new Uri(path.Name, UriKind.Relative));
            using var response = await client.SendAsync(request);
            Assert.That(
                path.Value.GetProperty(method).GetProperty("responses").EnumerateObject().Select(r => r.Name),
                Does.Contain(((int)response.StatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture)), path.Name);
        }
    }

    private static async Task<IReadOnlyList<RecognisedSample>> LocallyAsync(ScoringOptions scoring, RecognitionExtras extras, params ScoreRequest[] samples)
    {
        using var recognition = Engine.NativeEngine.LoadRecognition(Models, scoring);
        return (await recognition.RecogniseAsync([.. samples.Select(s => s.Tokens)], [.. samples.Select(s => s.Text)], extras, CancellationToken.None)).Samples;
    }
}
