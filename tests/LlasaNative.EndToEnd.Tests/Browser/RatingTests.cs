using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using LlasaNative.Audio;
using LlasaNative.Data;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests.Browser;

/// <summary>The rating page: in a browser, by keyboard, with a crash in between; and what it refuses.</summary>
[Category("Browser"), NonParallelizable]
public sealed class RatingTests
{
    private const int Pairs = 200;
    private string _folder = "";

    [SetUp]
    public void MakePairs()
    {
        _folder = Directory.CreateTempSubdirectory("llasa-rate-").FullName;
        // Short sounds; of each pair one sample is of each policy, on either side.
        SampledSpeech Speech(int i, string policy) => new($"sentence {i}", [.. Enumerable.Range(0, 8).Select(t => ((i * 17) + (t * 5) + (policy == "new" ? 400 : 0)) % 1024)]) { Policy = policy };
        SampleFile.Write(
            Path.Combine(_folder, "pairs.parquet"),
            [.. Enumerable.Range(0, Pairs).Select(i => i % 3 == 0 ? new SpeechPair(Speech(i, "new"), Speech(i, "old"), false) : new SpeechPair(Speech(i, "old"), Speech(i, "new"), false))]);
    }

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    private JsonElement[] Lines => [.. File.ReadLines(Path.Combine(_folder, "preferences.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)];

    [Test, Category("Long")]
    public async Task TwoHundredPairs_RatedByKeyboard_KilledInBetween_AreAllKept()
    {
        await using var browser = await Chromium.StartAsync();
        using (var server = Serve(out var address))
        {
            await Begin(browser, address, 0);
            for (var i = 0; i < 90; i++)
            {
                await Choose(browser, i, "abex"[i % 4].ToString());
            }

            server.Kill();   // at once, in the middle of everything
            await server.WaitForExitAsync();
        }

        Assert.That(Lines, Has.Length.EqualTo(90), "what the page was told is kept is kept");
        using (var server = Serve(out var address))
        {
            await Begin(browser, address, 90);
            for (var i = 90; i < 220; i++)
            {
                await Choose(browser, i, "ab"[i % 2].ToString());
            }

            await browser.WaitAsync("!document.getElementById('done').hidden && document.getElementById('pair').hidden");
            server.Kill();
            await server.WaitForExitAsync();
        }

        var lines = Lines;
        Assert.Multiple(() =>
        {
            Assert.That(lines.Count(l => !l.GetProperty("repeat").GetBoolean()), Is.EqualTo(Pairs));
            Assert.That(lines.Where(l => !l.GetProperty("repeat").GetBoolean()).Select(l => l.GetProperty("pair").GetInt32()).Order(), Is.EqualTo(Enumerable.Range(0, Pairs)));
            Assert.That(lines.Count(l => l.GetProperty("repeat").GetBoolean()), Is.EqualTo(20));
            Assert.That(lines.Select(l => l.GetProperty("choice").GetString()).Distinct(), Is.EquivalentTo(new[] { "a", "b", "equal", "both_bad" }));
            // The server is killed: what the page was fetching then fails.
            Assert.That(browser.Complaints.Where(c => !c.Contains("Failed to fetch", StringComparison.Ordinal) && !c.Contains("Failed to load", StringComparison.Ordinal) && !c.Contains("net::ERR_", StringComparison.Ordinal)), Is.Empty);
            var report = LlasaRunner.RunWell("rate", _folder, "--report").Output;
            Assert.That(report, Does.Contain("220 judgements of 200 of 200 pairs").And.Contains("anna: 220, said the same again of").And.Contains("old  Elo").And.Contains("new  Elo"));
        });
    }

    [Test]
    public async Task Sounds_PlayByKeyboard_AndStandOnTheSideTheChoiceIsOf()
    {
        await using var browser = await Chromium.StartAsync();
        using var server = Serve(out var address);
        await Begin(browser, address, 0);
        await browser.WaitAsync("document.getElementById('right').readyState >= 2");
        await browser.PressAsync("2");
        await browser.WaitAsync("document.getElementById('right').played.length > 0");
        Assert.That(await browser.NumberAsync("document.getElementById('left').played.length"), Is.Zero);
        using HttpClient client = new();
        var left = await client.GetByteArrayAsync(new Uri(address, "api/sounds/anna/0/left"));
        await Choose(browser, 0, "a");
        server.Kill();
        await server.WaitForExitAsync();
        var line = Lines.Single();
        var chosen = Path.Combine(Directory.GetDirectories(_folder, "sounds-*").Single(), $"{line.GetProperty("pair").GetInt32():D5}-{line.GetProperty("choice").GetString()}.wav");
        Assert.That(await File.ReadAllBytesAsync(chosen), Is.EqualTo(left), "the left one was preferred, whichever it is");
    }

    [Test]
    public async Task Voice_ThatAPairGoesOnIn_IsHeardToo_AndOneThatCannotBeReadIsLeftOut()
    {
        float[] tone = [.. Enumerable.Range(0, 8000).Select(i => 0.3f * MathF.Sin(i * 0.05f))];
        WaveFile.Write(Path.Combine(_folder, "anna.wav"), tone, 16000);
        SampledSpeech Speech(int i, string? voice) => new($"sentence {i}", [1, 2, 3, i]) { Voice = voice is null ? null : new VoiceReference(voice, "hello") };
        string?[] voices = ["anna.wav", "nobody.wav", null];
        SampleFile.Write(Path.Combine(_folder, "pairs.parquet"), [.. voices.Select((v, i) => new SpeechPair(Speech(i, v), Speech(i + 10, v) with { Text = $"sentence {i}" }, false))]);
        await using var browser = await Chromium.StartAsync();
        using var server = LlasaRunner.StartAndAwait("listen and choose at ", out var line, "rate", _folder, "--port", "0", "--repeats", "0");
        Uri address = new(line.Split(' ')[4].TrimEnd(';'));
        await Begin(browser, address, 0, 3);
        using HttpClient client = new();
        List<(string Sentence, bool Shown)> seen = [];
        for (var place = 0; place < 3; place++)
        {
            var text = await browser.TextAsync("document.getElementById('text').textContent");
            var shown = await browser.NumberAsync("document.getElementById('reference').offsetHeight") > 0;
            seen.Add((text, shown));
            using var sound = await client.GetAsync(new Uri(address, $"api/sounds/anna/{place}/voice"));
            Assert.That(sound.StatusCode, Is.EqualTo(shown ? HttpStatusCode.OK : HttpStatusCode.NotFound));
            await browser.PressAsync("3");
            if (shown)
            {
                Assert.That(await sound.Content.ReadAsByteArrayAsync(), Is.EqualTo(WaveFile.Encode(tone, 16000)));
                await browser.WaitAsync("document.getElementById('voice').played.length > 0");
                await browser.PressAsync("1");
                await browser.WaitAsync("document.getElementById('voice').paused && document.getElementById('left').played.length > 0");
            }

            await Choose(browser, place, "a", 3);
        }

        server.Kill();
        await server.WaitForExitAsync();
        Assert.That(seen.OrderBy(s => s.Sentence, StringComparer.Ordinal), Is.EqualTo(new[] { ("sentence 0", true), ("sentence 1", false), ("sentence 2", false) }));
    }

    [Test]
    public async Task Choices_OfOtherPagesAndOfOtherPlaces_AreNotTaken()
    {
        using var server = Serve(out var address);
        using HttpClient client = new();
        async Task<(HttpStatusCode, string)> Post(string body, string type = "application/json", string? origin = null)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, new Uri(address, "api/choices")) { Content = new StringContent(body, Encoding.UTF8, type) };
            if (origin is not null)
            {
                request.Headers.Add("Origin", origin);
            }

            using var answer = await client.SendAsync(request);
            return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
        }

        const string good = """{"rater":"ben","place":0,"choice":"left","seconds":1}""";
        var foreign = await Post(good, origin: "http://example.org");
        var form = await Post(good, "text/plain");
        var ahead = await Post(good.Replace("\"place\":0", "\"place\":7", StringComparison.Ordinal));
        var odd = await Post(good.Replace("left", "up", StringComparison.Ordinal));
        var broken = await Post("{");
        var large = await Post(good.Replace("ben", new string('b', 5000), StringComparison.Ordinal));
        var fine = await Post(good, origin: address.GetLeftPart(UriPartial.Authority));
        var twice = await Post(good);
        server.Kill();
        await server.WaitForExitAsync();
        Assert.Multiple(() =>
        {
            Assert.That((foreign.Item1, form.Item1, odd.Item1, broken.Item1), Is.EqualTo((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.BadRequest, HttpStatusCode.BadRequest)));
            Assert.That(large.Item1, Is.EqualTo(HttpStatusCode.RequestEntityTooLarge));
            Assert.That(ahead.Item2, Does.Contain("\"place\":0"));
            Assert.That(fine.Item2, Does.Contain("\"place\":1"));
            Assert.That(twice.Item2, Does.Contain("\"place\":1"));
            Assert.That(Lines, Has.Length.EqualTo(1), "twice sent is once taken");
        });
    }

    [Test]
    public async Task Export_IsWhatDpoReads()
    {
        using (var server = Serve(out var address))
        {
            using HttpClient client = new();
            for (var place = 0; place < 10; place++)
            {
                using StringContent content = new($$"""{"rater":"ben","place":{{place}},"choice":"{{(place < 8 ? "right" : "equal")}}","seconds":1}""", Encoding.UTF8, "application/json");
                using var answer = await client.PostAsync(new Uri(address, "api/choices"), content);
                answer.EnsureSuccessStatusCode();
            }

            server.Kill();
            await server.WaitForExitAsync();
        }

        var file = Path.Combine(_folder, "judged.parquet");
        Assert.That(LlasaRunner.RunWell("rate", _folder, "--export", file).Output, Does.Contain("8 of 200 pairs, by 1 raters"));
        Assert.That(PromptFile.ReadPairs(DataFiles.Find(file), 1024, p => p), Has.Count.EqualTo(8));
    }

    private Process Serve(out Uri address)
    {
        var process = LlasaRunner.StartAndAwait("listen and choose at ", out var line, "rate", _folder, "--port", "0");
        address = new Uri(line.Split(' ')[4].TrimEnd(';'));
        return process;
    }

    private static async Task Begin(Chromium browser, Uri address, int place, int count = 220)
    {
        await browser.OpenAsync(address.AbsoluteUri, "window.llasaReady");
        await browser.EvaluateAsync("document.getElementById('rater').value = 'anna'; document.getElementById('who').requestSubmit(); document.activeElement.blur()");
        await browser.WaitAsync($"document.getElementById('progress').textContent === '{place} of {count} done'");
    }

    private static async Task Choose(Chromium browser, int place, string key, int count = 220)
    {
        await browser.PressAsync(key);
        await browser.WaitAsync($"document.getElementById('progress').textContent === '{place + 1} of {count} done'");
    }
}
