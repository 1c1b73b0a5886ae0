using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using LlasaNative.Recognition.Wire;
using LlasaNative.Tests.Support;
using LlasaNative.Trainer;
using LlasaNative.Trainer.Serving;
using LlasaNative.Training;
using LlasaNative.WhisperNet.Tests;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Recognisers named *.bin or *.ggml, which the engine in build/engines/whispernet reads.</summary>
public sealed class GgmlTests : TinyWorldTests
{
    private static double Number(string output, string line) => double.Parse(
        output.Split('\n').First(l => l.StartsWith(line, StringComparison.Ordinal))[line.Length..].Trim(), CultureInfo.InvariantCulture);

    private static string Transcript(string output) => output.Split('\n').First(l => l.StartsWith("transcript", StringComparison.Ordinal));

    [SetUp]
    public void FindTheEngine()
    {
        if (!Directory.Exists(Path.Combine(OracleData.RepositoryRoot, "build", "engines", "whispernet")))
        {
            Assert.Ignore("SKIPPED: `./build.sh engine-whispernet` makes the engine that reads ggml files");
        }
    }

    [Test]
    public void Score_ByAGgmlFile_IsTheNativeEngines()
    {
        var (ear, sound) = (Ggml.Tiny(Folder), Path.Combine(Folder, "a.wav"));
        LlasaRunner.RunWell("speak", "a big dog", "--out", sound);
        var native = LlasaRunner.RunWell("score", "a big dog", "--wav", sound).Output;
        var other = LlasaRunner.RunWell("score", "a big dog", "--wav", sound, "--recogniser", ear).Output;
        Assert.Multiple(() =>
        {
            Assert.That(Transcript(other), Is.EqualTo(Transcript(native)));
            Assert.That(Number(other, "NLL"), Is.EqualTo(Number(native, "NLL")).Within(Ggml.LogProbBound(TinyWorld.Recogniser)).And.Not.EqualTo(Number(native, "NLL")));
        });
    }

    [Test, Category("Long")]
    public void Eval_AsSecondEar_HearsWhatTheFirstHears()
    {
        var output = LlasaRunner.RunWell("eval", "--limit", "16", "--seed", "3", "--second-ear", Ggml.Tiny(Folder)).Output;
        Assert.Multiple(() =>
        {
            Assert.That(output, Does.Contain("second ear tiny.bin, which rewards nothing"));
            Assert.That(Number(output, "  CER"), Is.EqualTo(Number(output, "CER")));
            Assert.That(Number(output, "  NLL"), Is.EqualTo(Number(output, "NLL")).Within(Ggml.LogProbBound(TinyWorld.Recogniser)));
        });
    }

    [Test, Category("Long")]
    public void Train_RewardedByAGgmlFile_LearnsFromIt()
    {
        var ear = Ggml.Tiny(Folder);
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "run"), 1, "--recogniser", ear));
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "native"), 1));
        double[] rewards = [.. new[] { "run", "native" }.Select(f => JsonDocument.Parse(File.ReadLines(Path.Combine(Folder, f, "metrics.jsonl")).First()).RootElement.GetProperty("reward/nll").GetDouble())];
        Assert.That(rewards[0], Is.EqualTo(rewards[1]).Within(Ggml.LogProbBound(TinyWorld.Recogniser)).And.Not.EqualTo(rewards[1]));
        var resumed = LlasaRunner.Run(Train(Path.Combine(Folder, "run"), 2));
        Assert.That(resumed.ExitCode, Is.EqualTo(2), "the recogniser that rewards may not change");
        Assert.That(resumed.Error, Does.Contain("models.recogniser"));
    }

    [Test]
    public async Task ServeReward_OverAGgmlFile_AnswersAndNamesIt()
    {
        var models = TinyWorld.Fill(new ModelOptions()) with { Recogniser = Ggml.Tiny(Folder) };
        await using var server = await RewardServer.StartAsync(models, new Models.ScoringOptions(), new ServerOptions { Port = 0 });
        using HttpClient http = new() { BaseAddress = server.Url };
        using var response = await http.PostAsJsonAsync("score", new ScoreRequest([.. Enumerable.Range(0, 50)], "a big dog"), WireJson.Default.ScoreRequest);
        var answer = await response.Content.ReadFromJsonAsync(WireJson.Default.ScoreResponse);
        Assert.That(answer!.Nll, Is.Positive);
        Assert.That(server.Health.Model, Does.StartWith("tiny.bin@"));
    }

    [Test]
    public void WhatItCannotDo_IsSaid()
    {
        var ear = Ggml.Tiny(Folder);
        var noise = Path.Combine(Folder, "pytorch_model.bin");
        File.WriteAllBytes(noise, [.. "PK\x03\x04"u8, .. new byte[200]]);
        var fixture = Path.Combine(OracleData.RepositoryRoot, "tests", "fixtures", "whisper_ggml", "d64_v300.bin");
        Assert.Multiple(() =>
        {
            Says(1, "pytorch_model.bin", "magic", noise);
            Says(1, "nowhere.ggml", "there is no such file", Path.Combine(Folder, "nowhere.ggml"));
            Says(1, "d64_v300.bin", "a multilingual model", fixture);
            Says(2, "recogniser.early_end `always`", "Whisper.net hears every transcript to its end", ear, "--set", "recogniser.early_end=always");
            Says(2, "language", "klingon", ear, "--set", "recogniser.language=klingon");
        });

        void Says(int code, string what, string why, string recogniser, params string[] more)
        {
            var outcome = LlasaRunner.Run(["eval", "--limit", "1", "--recogniser", recogniser, .. more]);
            Assert.That(outcome.ExitCode, Is.EqualTo(code), outcome.Error);
            Assert.That(outcome.Error, Does.Contain(what).And.Contains(why));
            Assert.That(outcome.Error.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), outcome.Error);
        }
    }

    [Test]
    public void Inspect_Memory_SaysThatItIsNotCounted() =>
        Assert.That(LlasaRunner.RunWell("inspect", "--memory", TinyWorld.Policy, "--second-ear", "ear.bin").Output, Does.Contain("what Whisper.net takes for a ggml file"));
}
