using System.Diagnostics;
using System.Text.Json;

namespace LlasaNative.EndToEnd.Tests.Serving;

/// <summary>Training with a reward server in another process.</summary>
public sealed class RewardServerTrainingTests : TinyWorldTests
{
    private const int Steps = 3;

    [Test]
    public void Train_WithAServerInAnotherProcess_GivesTheSameRewardsAndWeights()
    {
        LlasaRunner.RunWell("prepare", "--dummy", "-o", Path.Combine(Folder, "data"));
        LlasaRunner.RunWell(Run("local"));
        using (var server = Start(out var url))
        {
            // Chunks of 4, two at a time on one server: what is heard depends on neither.
            LlasaRunner.RunWell([.. Run("remote"), "--reward-server", url]);
            Stop(server);
        }

        Assert.That(File.ReadAllBytes(Path.Combine(Folder, "remote", "samples.jsonl")), Is.EqualTo(File.ReadAllBytes(Path.Combine(Folder, "local", "samples.jsonl"))));
        AssertSame(Checkpoint(Path.Combine(Folder, "remote"), Steps), Checkpoint(Path.Combine(Folder, "local"), Steps));
        const string Best = "samples/step-000002-best.wav";
        Assert.That(File.ReadAllBytes(Path.Combine(Folder, "remote", Best)), Is.EqualTo(File.ReadAllBytes(Path.Combine(Folder, "local", Best))));
    }

    [Test, Category("Long")]
    public void Train_WhenTheServerDies_SavesAndStops_AndGoesOnToTheSameBits()
    {
        LlasaRunner.RunWell("prepare", "--dummy", "-o", Path.Combine(Folder, "data"));
        LlasaRunner.RunWell(Run("whole"));
        string[] arguments = [.. Run("cut"), "--set", "reward_server.retries=1", "--set", "run.save_every=0"];
        using (var server = Start(out var url))
        {
            using var trainer = LlasaRunner.StartAndAwait("step 1/3", [.. arguments, "--reward-server", url]);
            server.Kill();
            var error = trainer.StandardError.ReadToEnd();
            trainer.WaitForExit();
            Assert.That(trainer.ExitCode, Is.EqualTo(1), error);
            Assert.That(error, Does.Match("llasa: step [23]: [48] of 8 samples could not be scored, more than reward_server.max_not_scored 0.1 allows: .*refused.*saved .*checkpoints"));
        }

        var resumed = LlasaRunner.RunWell([.. Run("cut"), "--set", "reward_server.servers="]);
        Assert.That(resumed.Error, Does.Contain("resumed after step"));
        AssertSame(Checkpoint(Path.Combine(Folder, "cut"), Steps), Checkpoint(Path.Combine(Folder, "whole"), Steps));
    }

    [Test]
    public void Train_WhenNoServerAnswers_StopsBeforeItBegins()
    {
        var outcome = LlasaRunner.Run([.. Train(Path.Combine(Folder, "run"), 1), "--reward-server", "http://127.0.0.1:1", "--set", "reward_server.retries=1"]);
        Assert.Multiple(() =>
        {
            Assert.That(outcome.ExitCode, Is.EqualTo(1));
            Assert.That(outcome.Error, Does.StartWith("llasa: no reward server answers: http://127.0.0.1:1/: "));
            Assert.That(Directory.Exists(Path.Combine(Folder, "run")), Is.False);
        });
    }

    [Test]
    public void Serve_ToldToStop_SaysSoAndExitsWith0([Values("TERM", "INT")] string signal)
    {
        using var server = Start(out _);
        LlasaRunner.Signal(server, signal);
        var rest = server.StandardError.ReadToEnd();
        server.WaitForExit();
        Assert.That((server.ExitCode, rest), Is.EqualTo((0, "finishing the requests at hand\nstopped\n")));
    }

    [TestCase("--port 99999", "--port")]
    [TestCase("--listen nowhere", "--listen")]
    [TestCase("--listen 0.0.0.0", "token")]
    [TestCase("--queue 1 --max-samples 2", "--max-samples")]
    [TestCase("--timeout 0", "--timeout")]
    [TestCase("--token-file /nowhere", "--token-file")]
    public void Serve_WithOptionsThatMakeNoSense_IsRefused(string options, string named)
    {
        var outcome = LlasaRunner.Run(["serve-reward", .. options.Split(' ')]);
        Assert.That((outcome.ExitCode, outcome.Error), Is.EqualTo((2, outcome.Error)));
        Assert.That(outcome.Error, Does.StartWith("llasa: ").And.Contains(named));
    }

    [Test]
    public void Metrics_SayThatEverySampleWasScored()
    {
        LlasaRunner.RunWell(Train(Folder, 1));
        using var row = JsonDocument.Parse(File.ReadLines(Path.Combine(Folder, "metrics.jsonl")).First());
        Assert.That(row.RootElement.GetProperty("reward/not_scored").GetDouble(), Is.Zero);
    }

    private static Process Start(out string url)
    {
        var server = LlasaRunner.StartAndAwait("listening on ", out var line, "serve-reward", "--port", "0");
        url = line.Split(' ')[2];
        return server;
    }

    private static void Stop(Process server)
    {
        LlasaRunner.Signal(server, "TERM");
        server.WaitForExit();
    }

    private string[] Run(string name) =>
    [
        .. Train(Path.Combine(Folder, name), Steps), "--data", Path.Combine(Folder, "data", "train.parquet"),
        "--set", "rollout.samples_per_prompt=4", "--set", "recogniser.batch_size=4",
    ];
}
