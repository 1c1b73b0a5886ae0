using System.Text.Json.Nodes;
using LlasaNative.Interop;
using LlasaNative.Models;
using LlasaNative.Rewards;
using LlasaNative.Text;
using LlasaNative.Trainer;
using LlasaNative.Training;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Recognisers that write one letter again and again, because all else is suppressed; the tiny one has room for 60.</summary>
public sealed class LoopingRecogniserTests : TinyWorldTests
{
    private const int Room = 60;

    [Test]
    public void MyRecogniserLoops_AndIsStoppedWhereNothingOfTheRewardIsLeft()
    {
        var (never, always) = (Recognised('a', EarlyEnd.Never), Recognised('a', EarlyEnd.Always));
        Assert.That((never.Transcript, never.EndedEarly), Is.EqualTo((new string('a', Room), false)));
        // (1 + 19.07 / 3 / 3) * 7 characters of `the cat`.
        Assert.That((always.Transcript, always.EndedEarly), Is.EqualTo((new string('a', 22), true)));
        Assert.That((always.Nll, always.NoSpeechProb), Is.EqualTo((never.Nll, never.NoSpeechProb)));
        RewardModel reward = new();
        foreach (var score in new[] { never, always })
        {
            Assert.That(reward.Score(new SpeechSample { Reference = "the cat", Transcript = score.Transcript, Nll = 0.5 }).Reward, Is.LessThan(1.1e-5));
        }
    }

    [Test]
    public void ALoopOfWhatTheNormaliserLeavesOut_IsHeardToItsEnd()
    {
        // 0000 is compared as 0: however long, its CER does not saturate.
        var (never, always) = (Recognised('0', EarlyEnd.Never), Recognised('0', EarlyEnd.Always));
        Assert.That(never.Transcript, Is.EqualTo(new string('0', Room)));
        Assert.That(always, Is.EqualTo(never));
    }

    [Test]
    public void ALoopOfPunctuation_IsStopped() =>
        Assert.That(Recognised('.', EarlyEnd.Always), Has.Property("Transcript").EqualTo(new string('.', 32)).And.Property("EndedEarly").True);

    [TestCase("auto", 4)]
    [TestCase("never", 0)]
    public void ARunWithARecogniserThatLoops_CountsWhatItCutShort(string earlyEnd, int count)
    {
        LlasaRunner.RunWell(Train(Folder, 1, "--data", ShortTexts(), "--recogniser", Looping('a'), "--set", $"recogniser.early_end={earlyEnd}", "--set", "reward.unfinished=keep"));
        var metrics = JsonNode.Parse(File.ReadLines(Path.Combine(Folder, "metrics.jsonl")).First())!;
        JsonNode[] samples = [.. File.ReadLines(Path.Combine(Folder, "samples.jsonl")).Select(l => JsonNode.Parse(l)!)];
        Assert.That((double)metrics["reward/ended_early"]!, Is.EqualTo(count));
        Assert.That(samples.Count(s => s["transcript_ended_early"] is not null), Is.EqualTo(count));
        Assert.That(samples.Select(s => (double)s["reward"]!), Is.All.LessThan(1.1e-5));
    }

    [Test, Category("Long")]
    public void RewardsOfTheTinyWorld_AreTheSameWithAndWithoutTheBound()
    {
        string[] common = ["eval", "--limit", "40", "--samples", "2", "--seed", "3"];
        foreach (var way in new[] { "auto", "always", "never" })
        {
            LlasaRunner.RunWell([.. common, "--set", $"recogniser.early_end={way}", "--out", Path.Combine(Folder, way)]);
        }

        foreach (var file in new[] { "samples.jsonl", "summary.json" })
        {
            Assert.That(Bytes("always"), Is.EqualTo(Bytes("never")), file);
            Assert.That(Bytes("auto"), Is.EqualTo(Bytes("never")), file);

            byte[] Bytes(string way) => File.ReadAllBytes(Path.Combine(Folder, way, file));
        }
    }

    [Test]
    public void EvalAndScore_SayWhatWasCutShort()
    {
        var wave = Path.Combine(Folder, "a.wav");
        string[] cut = ["--recogniser", Looping('a'), "--set", "recogniser.early_end=always"];
        LlasaRunner.RunWell("speak", "the cat", "--out", wave);
        Assert.That(LlasaRunner.RunWell(["score", "the cat", "--wav", wave, .. cut]).Output, Does.Contain("cut short   the transcript"));
        Assert.That(LlasaRunner.RunWell(["score", "the cat", "--wav", wave, .. cut[..2]]).Output, Does.Not.Contain("cut short"));
        Assert.That(LlasaRunner.RunWell(["eval", "--data", ShortTexts(), "--limit", "3", .. cut]).Output, Does.Contain("cut short  3"));
    }

    /// <summary>Texts of which the room for a transcript is more than three times the length.</summary>
    private string ShortTexts()
    {
        var path = Path.Combine(Folder, "short.txt");
        File.WriteAllLines(path, ["the cat", "a big dog", "my house", "the river"]);
        return path;
    }

    private SpeechScore Recognised(char letter, EarlyEnd earlyEnd)
    {
        var options = new GrpoOptions { Scoring = new ScoringOptions { EarlyEnd = earlyEnd } }.ToScoring();
        using var recogniser = NativeRecogniser.Load(Looping(letter), options);
        using WaveBatch waves = new([.. Enumerable.Range(0, 16_000).Select(i => 0.1f * MathF.Sin(i / 20f))], NativeRecogniser.SampleRate);
        return recogniser.Score(waves, ["the cat"])[0];
    }

    /// <summary>The tiny recogniser with every id but one suppressed, its end included.</summary>
    private string Looping(char letter)
    {
        var path = Path.Combine(Folder, $"looping-{(int)letter}");
        Directory.CreateDirectory(path);
        foreach (var name in Directory.GetFiles(TinyWorld.Recogniser))
        {
            File.Copy(name, Path.Combine(path, Path.GetFileName(name)), overwrite: true);
        }

        var file = Path.Combine(path, "generation_config.json");
        var json = JsonNode.Parse(File.ReadAllText(file))!;
        var kept = ByteLevelBpe.FromFile(Path.Combine(path, "tokenizer.json")).Encode(letter.ToString())[0];
        var size = (int)JsonNode.Parse(File.ReadAllText(Path.Combine(path, "config.json")))!["vocab_size"]!;
        json["suppress_tokens"] = new JsonArray([.. Enumerable.Range(0, size).Where(id => id != kept).Select(id => (JsonNode)id)]);
        json["begin_suppress_tokens"] = new JsonArray();
        File.WriteAllText(file, json.ToJsonString());
        return path;
    }
}
