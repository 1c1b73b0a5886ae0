using System.Text.Json.Nodes;
using LlasaNative.Audio;
using LlasaNative.Judging;
using LlasaNative.Recognition.Remote;
using LlasaNative.Tests.Support.Servers;
using LlasaNative.Training;
using Microsoft.AspNetCore.Http;

namespace LlasaNative.Tests.Recognition;

/// <summary>A judge behind a chat endpoint: what it is sent, how its answers are read, and what becomes of its failures.</summary>
public sealed class ChatJudgeTests
{
    private const string Key = "sk-very-secret";

    // The one has ten samples more: LikesLong prefers it.
    private static readonly float[] Longer = [.. Enumerable.Range(0, 170).Select(i => i % 2 == 0 ? 0.5f : -0.5f)];
    private static readonly float[] Shorter = Longer[..160];

    [Test]
    public async Task Judge_SendsBothSounds_InEitherOrder_AsOpenAiDocumentsIt()
    {
        using ChatServer server = new((_, body) => ChatServer.LikesLong(body));
        var verdict = await Ask(server, key: Key);
        Assert.Multiple(() =>
        {
            Assert.That(verdict, Is.EqualTo(new PairVerdict(JudgeAnswer.Second, JudgeAnswer.First)));
            Assert.That(server.Seen, Is.EqualTo(new[] { "POST /v1/chat/completions", "POST /v1/chat/completions" }));
            Assert.That(server.Keys, Is.All.EqualTo($"Bearer {Key}"));
            Assert.That(server.Bodies.Select(b => b["model"]!.GetValue<string>()), Is.All.EqualTo("ear"));
            Assert.That(server.Bodies.Select(b => b["temperature"]!.GetValue<double>()), Is.All.Zero);
            Assert.That(server.Bodies.SelectMany(b => b["messages"]![0]!["content"]!.AsArray()).Where(p => p!["input_audio"] is not null).Select(p => p!["input_audio"]!["format"]!.GetValue<string>()), Is.All.EqualTo("wav"));
            Assert.That(ChatServer.Texts(server.Bodies[0])[0], Does.Contain("both say: \"a big dog\"."));
            Assert.That(ChatServer.Texts(server.Bodies[0])[1..3], Is.EqualTo(new[] { "Recording A:", "Recording B:" }));
            Assert.That(ChatServer.Texts(server.Bodies[0])[^1], Does.Contain("""{"better": "A"}"""));
            var heard = server.Bodies.Select(ChatServer.Sounds).Select(sounds => (WaveFile.Parse(sounds[0], "a").Samples.Length, WaveFile.Parse(sounds[1], "b").Samples.Length));
            Assert.That(heard, Is.EquivalentTo(new[] { (160, 170), (170, 160) }));
            Assert.That(WaveFile.Parse(ChatServer.Sounds(server.Bodies[0])[0], "a").SampleRate, Is.EqualTo(16000));
        });
    }

    [Test]
    public async Task Judge_WithoutAKey_SendsNone()
    {
        using ChatServer server = new((_, _) => "A");
        Assert.That(await Ask(server), Is.EqualTo(new PairVerdict(JudgeAnswer.First, JudgeAnswer.First)), "whichever is played first");
        Assert.That(server.Keys, Is.All.Empty);
    }

    [TestCase("""{"better": "A"}""", JudgeAnswer.First)]
    [TestCase(" {\"better\": \"b\", \"why\": \"it is livelier\"}\n", JudgeAnswer.Second)]
    [TestCase("""{"better": "tie"}""", JudgeAnswer.Tie)]
    [TestCase("```json\n{\"better\": \"B\"}\n```", JudgeAnswer.Second)]
    [TestCase("A", JudgeAnswer.First)]
    [TestCase("b.", JudgeAnswer.Second)]
    [TestCase("**B**: it is livelier", JudgeAnswer.Second)]
    [TestCase("(A)", JudgeAnswer.First)]
    [TestCase("Tie", JudgeAnswer.Tie)]
    [TestCase("A livelier voice is in B.", JudgeAnswer.Other)]
    [TestCase("Both are fine.", JudgeAnswer.Other)]
    [TestCase("""{"better": "both"}""", JudgeAnswer.Other)]
    [TestCase("""{"better": ["A"]}""", JudgeAnswer.Other)]
    [TestCase("""{"better": null}""", JudgeAnswer.Other)]
    [TestCase("""{"best": "A"}""", JudgeAnswer.Other)]
    [TestCase("""{"better": "A" """, JudgeAnswer.Other)]
    [TestCase("I cannot hear recordings.", JudgeAnswer.Other)]
    [TestCase("", JudgeAnswer.Other)]
    [TestCase(null, JudgeAnswer.Other)]
    public void Answer_IsReadStrictly(string? said, JudgeAnswer expected) => Assert.That(ChatAnswer.Read(said), Is.EqualTo(expected));

    [Test]
    public async Task Answer_ThatIsNone_IsNoJudgement_AndIsShown()
    {
        using ChatServer server = new((_, _) => "I prefer\nneither.");
        var verdict = await Ask(server);
        Assert.That((verdict.Forward, verdict.Backward, verdict.IsJudged), Is.EqualTo((JudgeAnswer.Other, JudgeAnswer.Other, false)));
        Assert.That(verdict.Failure, Is.EqualTo($"{server.Url}: ear says `I prefer neither.`, expected A, B or tie"));
        Assert.That(server.Bodies, Has.Count.EqualTo(2), "it would say the same again");
    }

    [TestCase(429)]
    [TestCase(500)]
    [TestCase(503)]
    [TestCase(529)]
    [TestCase(0)]
    public async Task Failure_ThatPasses_IsTriedAgain(int status)
    {
        using ChatServer server = new((number, body) => number <= 2 ? null : ChatServer.LikesLong(body), (context, _) => Refuse(context, status));
        Assert.That((await Ask(server)).PrefersSecond);
        Assert.That(server.Bodies, Has.Count.EqualTo(4));
    }

    [Test]
    public async Task RetryAfter_IsHonoured()
    {
        using ChatServer server = new((number, body) => number == 1 ? null : ChatServer.LikesLong(body), (context, _) =>
        {
            context.Response.Headers.RetryAfter = "2";
            return Refuse(context, 429);
        });
        var since = System.Diagnostics.Stopwatch.StartNew();
        Assert.That((await Ask(server)).PrefersSecond);
        // A timer may end a tick of its own clock early; without the header the first retry comes after a second at most.
        Assert.That(since.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(1.9)));
    }

    [TestCase(400, 2)]
    [TestCase(401, 2)]
    [TestCase(302, 2)]
    [TestCase(429, 4)]
    [TestCase(500, 4)]
    [TestCase(0, 4)]
    public async Task Failure_ThatStays_IsNoJudgement(int status, int asked)
    {
        using ChatServer server = new((_, _) => null, (context, _) => Refuse(context, status));
        var verdict = await Ask(server, new JudgeOptions { Retries = 1 }, Key);
        Assert.Multiple(() =>
        {
            Assert.That((verdict.Forward, verdict.Backward), Is.EqualTo((JudgeAnswer.Failed, JudgeAnswer.Failed)));
            Assert.That(verdict.Failure, Does.StartWith(server.Url).And.Not.Contains(Key));
            Assert.That(verdict.Failure, status == 0 ? Does.Contain("(2 attempts)") : Does.Contain($": {status} the key *** may not do this"));
            Assert.That(server.Bodies, Has.Count.EqualTo(asked), "only what may pass is tried again");
        });
    }

    [TestCase("{\"choices\": [", "is not the JSON expected")]
    [TestCase("{\"choices\": \"A\"}", "is not the JSON expected")]
    [TestCase("{\"answer\": \"A\"}", "is not the JSON expected")]
    [TestCase("null", "the answer is null")]
    [TestCase("<html>Welcome!</html>", "is not the JSON expected")]
    [TestCase("{\"choices\": []}", "says nothing")]
    [TestCase("{\"choices\": [{\"message\": {\"content\": null, \"refusal\": \"no\"}}]}", "says nothing")]
    public async Task Answer_InAnotherForm_IsNoJudgement(string body, string expected)
    {
        using ChatServer server = new((_, _) => null, (context, _) => context.Response.WriteAsync(body));
        var verdict = await Ask(server);
        Assert.That(verdict.IsJudged, Is.False);
        Assert.That(verdict.Failure, Does.Contain(expected));
        Assert.That(server.Bodies, Has.Count.EqualTo(2));
    }

    [Test]
    public async Task Answer_ThatDoesNotCome_IsWaitedForAsLongAsAllowed()
    {
        using ChatServer server = new((number, body) => number <= 2 ? null : ChatServer.LikesLong(body), (context, _) => Task.Delay(Timeout.Infinite, context.RequestAborted));
        Assert.That((await Ask(server, new JudgeOptions { TimeoutSeconds = 0.5 })).PrefersSecond);
        using ChatServer silent = new((_, _) => null, (context, _) => Task.Delay(Timeout.Infinite, context.RequestAborted));
        Assert.That((await Ask(silent, new JudgeOptions { TimeoutSeconds = 0.5, Retries = 0 })).Failure, Does.EndWith("no answer within 0.5 s"));
    }

    [Test]
    public async Task Requests_AreNoMoreAtOnceThanAllowed()
    {
        using ChatServer server = new((_, _) => null, async (context, _) =>
        {
            await Task.Delay(100);
            await context.Response.WriteAsync("""{"choices": [{"message": {"content": "B"}}]}""");
        });
        using ChatJudge judge = new(Of(server, new JudgeOptions { AtOnce = 3 }), null, WaveFile.Encode);
        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => judge.JudgeAsync("a", Shorter, Longer, 16000, CancellationToken.None)));
        Assert.That((server.Bodies.Count, server.Most), Is.EqualTo((12, 3)));
    }

    [Test]
    public void Judge_IsGivenUpAtOnce()
    {
        using CancellationTokenSource stop = new();
        using ChatServer server = new((_, _) => null, (context, _) =>
        {
            stop.Cancel();
            return Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        using ChatJudge judge = new(Of(server), null, WaveFile.Encode);
        Assert.That(async () => await judge.JudgeAsync("a", Shorter, Longer, 16000, stop.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Server_ThatIsNotThere_IsNoJudgement()
    {
        using ChatJudge judge = new(new JudgeOptions { Url = "http://127.0.0.1:1/v1", Model = "ear", Retries = 0 }, null, WaveFile.Encode);
        Assert.That((await judge.JudgeAsync("a", Shorter, Longer, 16000, CancellationToken.None)).Failure, Does.StartWith("http://127.0.0.1:1/v1/: Connection refused"));
    }

    [TestCase("")]
    [TestCase("two words")]
    [TestCase("line\nbreak")]
    public void Key_ThatCannotBeOne_IsRefused_AndNotShown(string key) => Assert.That(
        () => new ChatJudge(new JudgeOptions { Url = "http://localhost/v1", Model = "ear", KeyVariable = "MY_KEY" }, key, WaveFile.Encode),
        Throws.TypeOf<UsageException>().With.Message.EqualTo("judge.key_variable: what MY_KEY holds is no API key: one has letters, digits and signs alone"));

    private static JudgeOptions Of(ChatServer server, JudgeOptions? options = null) => (options ?? new JudgeOptions()) with { Url = server.Url, Model = "ear" };

    private static async Task<PairVerdict> Ask(ChatServer server, JudgeOptions? options = null, string? key = null)
    {
        using ChatJudge judge = new(Of(server, options), key, WaveFile.Encode);
        return await judge.JudgeAsync("a big dog", Shorter, Longer, 16000, CancellationToken.None);
    }

    /// <summary>Refuses with a status and a reason that holds the key; 0 closes the connection.</summary>
    private static Task Refuse(HttpContext context, int status)
    {
        if (status == 0)
        {
            context.Abort();
            return Task.CompletedTask;
        }

        context.Response.StatusCode = status;
        return context.Response.WriteAsync(new JsonObject { ["error"] = new JsonObject { ["message"] = $"the key {Key} may not do this", ["type"] = "any" } }.ToJsonString());
    }
}
