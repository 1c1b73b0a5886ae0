using System.Diagnostics;
using System.Text.Json;
using LlasaNative.Data;
using LlasaNative.Tests.Support.Servers;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>A model behind HTTP judges pairs, of files and while samples are drawn; here it likes long recordings.</summary>
public sealed class JudgeTests : TinyWorldTests
{
    private const string Key = "sk-that-nobody-may-read";
    private const string Variable = "LLASA_TEST_JUDGE_KEY";

    [SetUp]
    public void SetKey() => Environment.SetEnvironmentVariable(Variable, Key);

    [TearDown]
    public void RemoveKey() => Environment.SetEnvironmentVariable(Variable, null);

    private string File(string name) => Path.Combine(Folder, name);

    private string Samples()
    {
        System.IO.File.WriteAllLines(File("texts.txt"), ["a big dog", "the cat sleeps", "where is the white ship", "a quiet river"]);
        LlasaRunner.RunWell("sample", "--data", File("texts.txt"), "--samples", "4", "--temperature", "1", "--out", File("samples.parquet"));
        return File("samples.parquet");
    }

    private string[] Pair(ChatServer server, params string[] more) =>
    [
        "pair", Samples(), "--rule", "random", "--per-text", "2", "--out", File("pairs.parquet"), "--judge", server.Url, "--judge-model", "ear",
        "--set", $"judge.key_variable={Variable}", .. more,
    ];

    private static string[] Online(string folder, int steps, string url, params string[] more) => Train(folder, steps,
    [
        "--set", "algorithm=online_dpo", "--set", "loss.objective=dpo(beta=0.5)", "--set", "optimiser.warmup_steps=0", "--set", $"judge.url={url}", "--set", "judge.model=ear",
        "--set", $"judge.key_variable={Variable}", .. more,
    ]);

    [Test]
    public void Pairs_AreWhatTheJudgePrefers_AndNoAnswerIsAskedForTwice()
    {
        using ChatServer server = new((_, body) => ChatServer.LikesLong(body));
        var arguments = Pair(server);
        var outcome = LlasaRunner.RunWell(arguments);
        var asked = server.Bodies.Count;
        var pairs = SampleFile.ReadPairs(File("pairs.parquet"));
        Assert.Multiple(() =>
        {
            Assert.That(asked, Is.EqualTo(2 * 8), "two pairs of each of four texts, in either order");
            Assert.That(pairs, Has.Count.InRange(1, 8).And.All.Property("IsJudged").True);
            Assert.That(pairs.Select(p => p.First.Codes.Count - p.Second.Codes.Count), Is.All.Positive);
            Assert.That(outcome.Output, Does.Contain($"{pairs.Count} pairs of 8 that ear heard"));
            Assert.That(outcome.Error, Does.Contain("both orders agree on 100 % of 8 judged pairs").And.Contain("50 % of the choices are for what is played first; 0 requests failed"));
            Assert.That(server.Keys, Is.All.EqualTo($"Bearer {Key}"));
            AssertKeyIsNowhere(outcome);
        });
        var first = System.IO.File.ReadAllBytes(File("pairs.parquet"));
        LlasaRunner.RunWell(arguments);
        Assert.That(server.Bodies, Has.Count.EqualTo(asked), "the answers were kept");
        Assert.That(System.IO.File.ReadAllBytes(File("pairs.parquet")), Is.EqualTo(first));
        LlasaRunner.RunWell([.. arguments, "--set", "judge.prompt=Which is shorter?"]);
        Assert.That(server.Bodies, Has.Count.EqualTo(2 * asked), "another question has other answers");
    }

    [Test]
    public void Pairs_OfAJudgeWhoLikesAPlace_AreNone_AndFaultsAreNamed()
    {
        using ChatServer server = new((_, _) => "A");
        var arguments = Pair(server);
        Assert.Multiple(() =>
        {
            Assert.That(LlasaRunner.Run(arguments).Error, Does.Contain("100 % of the choices are for what is played first").And.Contain("of 8 pairs ear prefers no sample to the other"));
            Assert.That(LlasaRunner.Run(["pair", File("samples.parquet"), "--judge", server.Url]).Error, Does.Contain("`judge.url` needs the name of a model"));
            Assert.That(LlasaRunner.Run([.. arguments, "--set", "judge.key_variable=LLASA_NO_SUCH"]).Error, Does.Contain("judge.key_variable: the environment variable LLASA_NO_SUCH is not set"));
            Assert.That(System.IO.File.Exists(File("pairs.parquet")), Is.False);
        });
    }

    [Test]
    public void Pairs_WhoseJudgeFails_KeepTheAnswersThereAre_AndGoOn()
    {
        var isDown = true;
        using ChatServer server = new((number, body) => isDown && number > 8 ? null : ChatServer.LikesLong(body), (context, _) =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        var arguments = Pair(server, "--set", "reward_server.retries=0", "--set", "judge.at_once=1");
        var outcome = LlasaRunner.Run(arguments);
        var known = System.IO.File.ReadAllLines(Directory.GetFiles(Folder, "pairs.judge-*.jsonl").Single()).Length;
        Assert.That(outcome.ExitCode, Is.EqualTo(1));
        Assert.That(outcome.Error, Does.Match(@"\d of 8 pairs could not be judged, more than reward_server.max_not_scored 0.1 allows: http.*503.*; .*pairs\.judge-.*\.jsonl keeps the answers there are, and the same command goes on"));
        isDown = false;
        var before = server.Bodies.Count;
        LlasaRunner.RunWell(arguments);
        Assert.That(server.Bodies.Count - before, Is.EqualTo((2 * 8) - known), "only what is not known");
        Assert.That(known, Is.Positive);
    }

    [Test]
    public void Pairs_StoppedByASignal_KeepTheAnswersThereAre()
    {
        var hangs = true;
        using SemaphoreSlim hanging = new(0);
        using ChatServer server = new((number, body) => hangs && number > 6 ? null : ChatServer.LikesLong(body), (context, _) =>
        {
            hanging.Release();
            return Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        var arguments = Pair(server, "--set", "judge.at_once=1");
        using (var process = LlasaRunner.StartAndAwait("ear judges 8 pairs", arguments))
        {
            Assert.That(hanging.Wait(TimeSpan.FromMinutes(2)), "somebody waits for an answer");
            LlasaRunner.Signal(process, "INT");
            Assert.That(process.WaitForExit(TimeSpan.FromMinutes(1)), "it does not wait for it any longer");
            Assert.That(process.ExitCode, Is.EqualTo(130));
        }

        hangs = false;
        var (known, before) = (System.IO.File.ReadAllLines(Directory.GetFiles(Folder, "pairs.judge-*.jsonl").Single()).Length, server.Bodies.Count);
        LlasaRunner.RunWell(arguments);
        Assert.That(server.Bodies.Count - before, Is.EqualTo((2 * 8) - known));
    }

    [Test]
    public void Training_FollowsTheJudge_ResumesToTheSameBits_AndWritesNoKey()
    {
        using ChatServer server = new((_, body) => ChatServer.LikesLong(body));
        string a = File("a"), b = File("b");
        var outcome = LlasaRunner.RunWell(Online(a, 4, server.Url));
        LlasaRunner.RunWell(Online(b, 2, server.Url));
        LlasaRunner.RunWell(Online(b, 4, server.Url));
        AssertSame(Checkpoint(b, 4), Checkpoint(a, 4));
        JsonElement[] rows = [.. System.IO.File.ReadLines(Path.Combine(a, "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)];
        JsonElement[] samples = [.. System.IO.File.ReadLines(Path.Combine(a, "samples.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)];
        Assert.Multiple(() =>
        {
            Assert.That(rows.Sum(r => r.GetProperty("judge/preferred").GetDouble()), Is.Positive);
            Assert.That(rows.Sum(r => r.GetProperty("judge/pairs").GetDouble()), Is.EqualTo(server.Bodies.Count / 4d), "two runs, two orders");
            Assert.That(rows.Select(r => r.GetProperty("judge/not_judged").GetDouble()), Is.All.Zero);
            foreach (var pair in samples.Chunk(2).Where(p => p[0].GetProperty("advantage").GetDouble() != 0))
            {
                Assert.That((pair[0].GetProperty("codes").GetInt32() > pair[1].GetProperty("codes").GetInt32()), Is.EqualTo(pair[0].GetProperty("advantage").GetDouble() > 0), "long ones are preferred");
            }

            AssertKeyIsNowhere(outcome);
        });
    }

    [Test]
    public void Training_WhoseJudgeGoesAway_SavesAndStops_AndGoesOnWithOneElsewhere()
    {
        using ChatServer whole = new((_, body) => ChatServer.LikesLong(body));
        LlasaRunner.RunWell(Online(File("whole"), 3, whole.Url));
        // The first step asks four times at most.
        using (ChatServer server = new((number, body) => number > 4 ? null : ChatServer.LikesLong(body), (context, _) =>
        {
            context.Abort();
            return Task.CompletedTask;
        }))
        {
            var outcome = LlasaRunner.Run(Online(File("run"), 3, server.Url, "--set", "reward_server.retries=1", "--set", "run.save_every=0"));
            Assert.That(outcome.ExitCode, Is.EqualTo(1));
            Assert.That(outcome.Error, Does.Match(@"llasa: step \d: \d of \d pairs could not be judged, more than reward_server.max_not_scored 0.1 allows: .*\(2 attempts\); saved .*, from which --resume auto goes on"));
        }

        using ChatServer elsewhere = new((_, body) => ChatServer.LikesLong(body));
        LlasaRunner.RunWell(Online(File("run"), 3, elsewhere.Url));
        AssertSame(Checkpoint(File("run"), 3), Checkpoint(File("whole"), 3));
        Assert.That(LlasaRunner.Run(Online(File("run"), 4, elsewhere.Url, "--set", "judge.model=other")).Error, Does.Contain("judge.model"), "another judge is another run");
    }

    private void AssertKeyIsNowhere(LlasaRunner.Outcome outcome)
    {
        var key = System.Text.Encoding.UTF8.GetBytes(Key);
        Assert.That(outcome.Output + outcome.Error, Does.Not.Contain(Key));
        string[] files = Directory.GetFiles(Folder, "*", SearchOption.AllDirectories);
        Assert.That(files.Where(path => System.IO.File.ReadAllBytes(path).AsSpan().IndexOf(key) >= 0), Is.Empty);
        Assert.That(files, Is.Not.Empty);
    }
}
