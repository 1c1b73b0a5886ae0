using System.Text.Json;

namespace LlasaNative.EndToEnd.Tests;

public sealed class ResumeTests : TinyWorldTests
{
    private const int Steps = 3;
    private static (byte[] Weights, byte[] Moments) _whole;

    [OneTimeSetUp]
    public void TrainWithoutInterruption()
    {
        var folder = Directory.CreateTempSubdirectory("llasa-e2e-").FullName;
        LlasaRunner.RunWell(Train(folder, Steps, "--threads", "1"));
        _whole = Checkpoint(folder, Steps);
        Directory.Delete(folder, recursive: true);
    }

    [Test]
    public void Train_InTwoSessions_EndsWithTheSameBits()
    {
        LlasaRunner.RunWell(Train(Folder, 1));
        var second = LlasaRunner.RunWell(Train(Folder, Steps));
        Assert.That(second.Error, Does.Contain("resumed after step 1"));
        AssertSame(Checkpoint(Folder, Steps), _whole);
        var steps = File.ReadLines(Path.Combine(Folder, "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("step").GetInt64());
        Assert.That(steps, Is.EqualTo(new long[] { 1, 2, 3 }));
    }

    [TestCase("algorithm=dapo", "rollout.dynamic_rounds=2", "loss.min_group_deviation=0.2", Category = "Long")]
    [TestCase("algorithm=gspo", "update.epochs=2", "update.mini_batch_prompts=1", "loss.importance=token", "rollout.top_p=0.9", Category = "Long")]
    [TestCase("algorithm=reinforce_plus_plus", "update.mini_batch_prompts=1", "run.evaluate_every=1", "run.evaluate_texts=2", "evaluation.temperature=0", "loss.importance=sequence", Category = "Long")]
    [TestCase("algorithm=rloo", "loss.kl_coefficient=0.01", Category = "Long")]
    [TestCase("algorithm=online_dpo", "loss.objective=dpo(beta=0.5)", "optimiser.warmup_steps=0")]
    public void Train_WithEveryAlgorithm_InTwoSessions_EndsWithTheSameBits(params string[] settings)
    {
        string[] set = [.. settings.SelectMany(s => new[] { "--set", s })];
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "whole"), Steps, set));
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "parts"), 1, set));
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "parts"), Steps, set));
        AssertSame(Checkpoint(Path.Combine(Folder, "parts"), Steps), Checkpoint(Path.Combine(Folder, "whole"), Steps));
        Assert.That(
            Checkpoint(Path.Combine(Folder, "parts"), Steps).Weights.AsSpan().SequenceEqual(_whole.Weights), Is.False, "the settings do something");
    }

    [Test]
    public void Train_TwiceWithOneSeed_AndOnTwoThreads_GivesTheSameBits()
    {
        LlasaRunner.RunWell(Train(Folder, Steps, "--threads", "2"));
        AssertSame(Checkpoint(Folder, Steps), _whole);
    }

    [Test]
    public void Train_KilledAndResumed_EndsWithTheSameBits()
    {
        using (var process = LlasaRunner.StartAndAwait("step 2/3", Train(Folder, Steps)))
        {
            process.Kill();
            process.WaitForExit();
        }

        LlasaRunner.RunWell(Train(Folder, Steps));
        AssertSame(Checkpoint(Folder, Steps), _whole);
    }

    [TestCase("INT")]
    [TestCase("TERM", Category = "Long")]
    public void Train_Interrupted_SavesAndExits130(string signal)
    {
        using (var process = LlasaRunner.StartAndAwait("step 1/3", Train(Folder, Steps, "--set", "run.save_every=0")))
        {
            LlasaRunner.Signal(process, signal);
            var rest = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.That(process.ExitCode, Is.EqualTo(130), rest);
            Assert.That(rest, Does.Contain("interrupted after step"));
        }

        Assert.That(Directory.Exists(Path.Combine(Folder, "policy")), Is.False, "nothing is exported");
        var resumed = LlasaRunner.RunWell(Train(Folder, Steps));
        Assert.That(resumed.Error, Does.Contain("resumed after step"));
        AssertSame(Checkpoint(Folder, Steps), _whole);
    }

    [Test]
    public void Train_InterruptedTwice_GivesUpAtOnceAndKeepsWhatWasSaved()
    {
        // A step that takes far longer than the test may: only giving up within it ends the process in time.
        string[] endless = ["--set", "rollout.prompts_per_step=2000", "--set", "run.save_every=0"];
        using (var process = LlasaRunner.StartAndAwait("phase rollout", Train(Folder, Steps, [.. endless, "--verbose"])))
        {
            LlasaRunner.Signal(process, "INT");
            var notice = process.StandardError.ReadLine();
            Assert.That(notice, Does.Contain("stopping after this step; once more to give up at once"));
            LlasaRunner.Signal(process, "INT");
            var rest = process.StandardError.ReadToEnd();
            Assert.That(process.WaitForExit(TimeSpan.FromSeconds(20)), "it gives up within a token step");
            Assert.That(process.ExitCode, Is.EqualTo(130), rest);
            Assert.That(rest.Split('\n'), Has.Exactly(1).EqualTo("llasa: interrupted"));
        }

        Assert.That(Directory.Exists(Path.Combine(Folder, "checkpoints")), Is.False, "nothing half-done is saved");
    }

    [Test]
    public void Train_Anew_ReplacesTheOldRun()
    {
        LlasaRunner.RunWell(Train(Folder, 2, "--set", "run.seed=8"));
        LlasaRunner.RunWell(Train(Folder, 1, "--resume", "never"));
        Assert.That(Directory.GetDirectories(Path.Combine(Folder, "checkpoints")).Select(Path.GetFileName), Is.EqualTo(new[] { "step-000001" }));
        LlasaRunner.RunWell(Train(Folder, Steps));
        AssertSame(Checkpoint(Folder, Steps), _whole);
    }

    [Test]
    public void Train_ResumedWithOtherOptions_IsRefused()
    {
        LlasaRunner.RunWell(Train(Folder, 1));
        var manifest = File.ReadAllText(Path.Combine(Folder, "run.json"));
        var other = LlasaRunner.Run(Train(Folder, 2, "--set", "loss.clip_low=0.1"));
        Assert.Multiple(() =>
        {
            Assert.That(File.ReadAllText(Path.Combine(Folder, "run.json")), Is.EqualTo(manifest), "what the run was");
            Assert.That(other.ExitCode, Is.EqualTo(2));
            Assert.That(other.Error, Does.Contain("`loss.clip_low` was 0.2, is 0.1"));
        });
    }

    [Test]
    public void IStartMyRunTwice_AndTheSecondIsRefused_AndChangesNothing()
    {
        using var process = LlasaRunner.StartAndAwait("step   2/400", Train(Folder, 400));
        LlasaRunner.Signal(process, "STOP");
        var manifest = File.ReadAllBytes(Path.Combine(Folder, "run.json"));
        var second = LlasaRunner.Run([.. Train(Folder, 1), "--resume", "never"]);
        Assert.That((second.ExitCode, second.Error), Is.EqualTo((1, second.Error)));
        Assert.That(second.Error, Does.Contain(Path.Combine(Folder, "metrics.jsonl") + ": cannot be written: "));
        Assert.That(File.ReadAllBytes(Path.Combine(Folder, "run.json")), Is.EqualTo(manifest));
        Assert.That(Path.Combine(Folder, "checkpoints", "step-000001"), Does.Exist);
        process.Kill();
        process.WaitForExit();
        Assert.That(LlasaRunner.RunWell(Train(Folder, 1, "--resume", "never")).Output, Does.Contain("1 steps"), "a lock goes with its process");
    }

    [Test]
    public void MyCheckpointCameWithoutTheRunsFiles_AndIAmToldWhatToDo()
    {
        var (there, here) = (Path.Combine(Folder, "there"), Path.Combine(Folder, "here"));
        LlasaRunner.RunWell(Train(there, 1));
        Directory.CreateDirectory(Path.Combine(here, "checkpoints"));
        Directory.Move(Path.Combine(there, "checkpoints", "step-000001"), Path.Combine(here, "checkpoints", "step-000001"));
        var refused = LlasaRunner.Run(Train(here, 2));
        Assert.That(refused.ExitCode, Is.EqualTo(1));
        Assert.That(refused.Error, Does.Contain(Path.Combine(here, "metrics.jsonl") + ": has 0 bytes").And.Contains("copy the file there from the run that saved it").And.Contains("--policy"));
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "anew"), 1, "--policy", Path.Combine(here, "checkpoints", "step-000001")));
        foreach (var name in new[] { "metrics.jsonl", "samples.jsonl" })
        {
            File.Copy(Path.Combine(there, name), Path.Combine(here, name));
        }

        Assert.That(LlasaRunner.RunWell(Train(here, 2)).Error, Does.Contain("resumed after step 1"));
    }

    [Test]
    public void Train_ResumedWithAPathSpelledOtherwise_GoesOn()
    {
        var data = Path.Combine(Folder, "data.txt");
        File.WriteAllText(data, "a big dog\nthe cat sleeps\n");
        Directory.CreateSymbolicLink(Path.Combine(Folder, "link"), Folder);
        Directory.CreateSymbolicLink(Path.Combine(Folder, "policy"), Trainer.TinyWorld.Policy);
        var run = Path.Combine(Folder, "run");
        LlasaRunner.RunWell(Train(run, 1, "--data", data, "--policy", Trainer.TinyWorld.Policy));
        var step = 1;
        foreach (var spelled in new[] { Path.GetRelativePath(Environment.CurrentDirectory, data), Path.Combine(Folder, ".", "x", "..", "data.txt"), Path.Combine(Folder, "link", "data.txt") })
        {
            step++;
            var outcome = LlasaRunner.RunWell(Train(run, step, "--data", spelled, "--policy", Path.Combine(Folder, "policy") + "/"));
            Assert.That(outcome.Error, Does.Contain($"resumed after step {step - 1}"), spelled);
        }

        var copy = Path.Combine(Folder, "copy.txt");
        File.Copy(data, copy);
        Assert.That(LlasaRunner.Run(Train(run, 9, "--data", copy, "--policy", Trainer.TinyWorld.Policy)).Error, Does.Contain("`data.train` was "));
    }

    [Test]
    public void Train_ResumedWithOtherDataUnderTheSameName_IsRefused()
    {
        var data = Path.Combine(Folder, "data.jsonl");
        File.WriteAllText(data, "{\"text\": \"a big dog\"}\n{\"text\": \"the cat sleeps\"}\n");
        var run = Path.Combine(Folder, "run");
        LlasaRunner.RunWell(Train(run, 1, "--data", data));
        File.WriteAllText(data, "{\"text\": \"a big dog\", \"note\": 1}\n{\"text\": \"the cat sleeps\"}\n");
        Assert.That(LlasaRunner.RunWell(Train(run, 2, "--data", data)).Error, Does.Contain("resumed after step 1"), "training reads the same texts");
        File.WriteAllText(data, "{\"text\": \"a big dog\"}\n{\"text\": \"the cat sleeps well\"}\n");
        var other = LlasaRunner.Run(Train(run, 3, "--data", data));
        Assert.That(other.ExitCode, Is.EqualTo(2));
        Assert.That(other.Error, Does.Contain("cannot be resumed with other options: `data.train` held other data"));
        LlasaRunner.RunWell(Train(run, 1, "--data", data, "--resume", "never"));
    }

    [Test]
    public void Train_FilesOfARun_AreThere()
    {
        LlasaRunner.RunWell(Train(Folder, 2));
        using var first = JsonDocument.Parse(File.ReadLines(Path.Combine(Folder, "metrics.jsonl")).First());
        Assert.Multiple(() =>
        {
            // Recorded while sampling and computed by the training forward: the same log-prob.
            Assert.That(first.RootElement.GetProperty("policy/logprob_gap_max").GetDouble(), Is.LessThan(1e-4));
            foreach (var file in new[] { "run.json", "policy/config.json", "policy/tokenizer.json", "policy/model.safetensors", "samples/step-000002-best.wav", "checkpoints/latest" })
            {
                Assert.That(File.Exists(Path.Combine(Folder, file)), file);
            }

            Assert.That(File.ReadLines(Path.Combine(Folder, "samples.jsonl")).Count(), Is.EqualTo(8));
            Assert.That(Directory.GetFiles(Path.Combine(Folder, "tensorboard")), Has.Length.EqualTo(1));
            Assert.That(first.RootElement.GetProperty("prosody/rate").GetDouble(), Is.InRange(1, 100));
            Assert.That(first.RootElement.GetProperty("prosody/seconds").GetDouble(), Is.GreaterThan(0.1));
        });
        AssertEverySoundIsNamed();
        var spoken = LlasaRunner.RunWell("speak", "a big dog", "--policy", Path.Combine(Folder, "policy"), "--out", Path.Combine(Folder, "a.wav"));
        Assert.That(spoken.Output, Does.Contain("real-time factor"));
    }

    [Test]
    public void Train_KeepsSixSoundsOfAStep()
    {
        LlasaRunner.RunWell(Train(Folder, 2, "--set", "rollout.samples_per_prompt=4"));
        Assert.That(Directory.GetFiles(Path.Combine(Folder, "samples"), "*.wav"), Has.Length.EqualTo(6));
        AssertEverySoundIsNamed();
    }

    [Test]
    public void Train_WithReferenceAndMask_ReportsKl()
    {
        var rows = Rows(2, "--set", "loss.kl_coefficient=0.1", "--set", "rollout.max_new_tokens=70", "--set", "optimiser.learning_rate=0.001");
        Assert.Multiple(() =>
        {
            Assert.That(rows[0].GetProperty("policy/kl").GetDouble(), Is.LessThan(1e-6), "the reference is the start");
            Assert.That(rows[1].GetProperty("policy/kl").GetDouble(), Is.GreaterThan(1e-6));
            Assert.That(rows.All(r => Math.Abs(r.GetProperty("reward/masked").GetDouble() - r.GetProperty("rollout/capped").GetDouble()) < 1e-12));
        });
    }

    private void AssertEverySoundIsNamed()
    {
        var named = File.ReadLines(Path.Combine(Folder, "samples.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)
            .Where(s => s.TryGetProperty("sound", out _)).Select(s => Path.Combine(Folder, s.GetProperty("sound").GetString()!)).ToArray();
        Assert.That(Directory.GetFiles(Path.Combine(Folder, "samples"), "*.wav"), Is.EquivalentTo(named));
    }

    private JsonElement[] Rows(int steps, params string[] settings)
    {
        LlasaRunner.RunWell(Train(Folder, steps, ["--set", "reward.unfinished=mask", .. settings]));
        return [.. File.ReadLines(Path.Combine(Folder, "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)];
    }
}
