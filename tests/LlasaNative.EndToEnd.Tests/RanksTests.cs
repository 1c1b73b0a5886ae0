using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using LlasaNative.Trainer;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Runs of several ranks under mpirun.</summary>
public sealed class RanksTests : TinyWorldTests
{
    private const int Steps = 3;

    [OneTimeSetUp]
    public void FindMpi() => MpiRunner.Require();

    [TestCase(2)]
    [TestCase(4, Category = "Long")]   // of two groups: two of the four have nothing to do
    public void Train_OnAnyNumberOfRanks_TakesTheSameFirstStep(int ranks)
    {
        LlasaRunner.RunWell(Train(Path.Combine(Folder, "1"), 1));
        var (one, alone) = (Metrics(Path.Combine(Folder, "1"))[0], Weights(Path.Combine(Folder, "1"), 1));
        var folder = Path.Combine(Folder, $"{ranks}");
        var outcome = MpiRunner.Run(ranks, Train(folder, 1));
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
        Assert.That(outcome.Error, Does.Contain($"; {ranks} ranks by Open MPI"));
        Assert.That(outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(1), "one rank talks");
        var metrics = Metrics(folder);
        Assert.Multiple(() =>
        {
            Assert.That(metrics, Has.Count.EqualTo(1));
            Assert.That(metrics[0].GetProperty("optimiser/grad_norm").GetDouble(), Is.EqualTo(one.GetProperty("optimiser/grad_norm").GetDouble()).Within(1e-4).Percent);
            Assert.That(metrics[0].GetProperty("reward/mean").GetDouble(), Is.EqualTo(one.GetProperty("reward/mean").GetDouble()).Within(1e-6));
            Assert.That(metrics[0].GetProperty("rollout/tokens").GetDouble(), Is.EqualTo(one.GetProperty("rollout/tokens").GetDouble()));
            Assert.That(Distance(Weights(folder, 1), alone), Is.LessThan(1e-6), $"{ranks} ranks");
            Assert.That(File.ReadLines(Path.Combine(folder, "samples.jsonl")).Count(), Is.EqualTo(File.ReadLines(Path.Combine(Folder, "1", "samples.jsonl")).Count()));
        });
    }

    [Test]
    public void Speak_OnTwoRanks_IsRefusedByBoth()
    {
        var outcome = MpiRunner.Run(2, ["speak", "a quiet river", "--out", Path.Combine(Folder, "out.wav")]);
        Assert.That(outcome.ExitCode, Is.EqualTo(2));
        Assert.That(outcome.Error, Does.Contain("`llasa speak` is the work of one process, and a launcher started 2 (OMPI_COMM_WORLD_SIZE)"));
        Assert.That(File.Exists(Path.Combine(Folder, "out.wav")), Is.False);
    }

    [Test, Category("Long")]
    public void Train_OnTwoRanksTwice_AndKilledBetween_EndsWithTheSameBits()
    {
        var whole = Path.Combine(Folder, "whole");
        Assert.That(MpiRunner.Run(2, Train(whole, Steps)).ExitCode, Is.Zero);
        var parts = Path.Combine(Folder, "parts");
        Assert.That(MpiRunner.Run(2, Train(parts, 1)).ExitCode, Is.Zero);
        Assert.That(MpiRunner.Run(2, Train(parts, Steps)).Error, Does.Contain("resumed after step 1"));
        AssertSame(Checkpoint(parts, Steps), Checkpoint(whole, Steps));
    }

    /// <remarks>The reference is in parts, too; of three ranks and two groups one has nothing to ask it, and takes part.</remarks>
    [TestCase("f32", "loss", Category = "Long")]
    [TestCase("bf16", "reward", Category = "Long")]
    public void Train_WithWeightsInParts_TakesTheStepsOfRanksThatHoldThemWhole(string type, string placement)
    {
        // A norm is summed by ranks' parts, which are others; without one every bit is the same.
        string[] options = ["--set", "optimiser.max_grad_norm=0", "--set", "loss.kl_coefficient=0.1", "--set", $"loss.kl_placement={placement}", "--set", $"models.policy_type={type}", "--set", "run.evaluate_every=1", "--set", "run.evaluate_texts=2"];
        string[] parts = [.. options, "--set", "trainer.shard_weights=true"];
        var (whole, shared) = (Path.Combine(Folder, "whole"), Path.Combine(Folder, "shared"));
        var outcome = MpiRunner.Run(2, Train(whole, 2, options));
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
        outcome = MpiRunner.Run(2, Train(shared, 2, parts));
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
        AssertSame(Checkpoint(shared, 2), Checkpoint(whole, 2));
        foreach (var (expected, actual) in Metrics(whole).Zip(Metrics(shared)))
        {
            foreach (var name in new[] { "reward/mean", "policy/kl", "evaluation/reward" })
            {
                Assert.That(actual.GetProperty(name).GetDouble(), Is.EqualTo(expected.GetProperty(name).GetDouble()), name);
            }
        }

        Assert.That(File.ReadAllBytes(Path.Combine(shared, "policy", "model.safetensors")), Is.EqualTo(File.ReadAllBytes(Path.Combine(whole, "policy", "model.safetensors"))));
        // A checkpoint knows nothing of parts: three ranks go on with them, one without.
        outcome = MpiRunner.Run(3, Train(shared, 3, parts));
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
        Assert.That(outcome.Error, Does.Contain("resumed after step 2"));
        Assert.That(LlasaRunner.RunWell(Train(shared, 4, options)).Error, Does.Contain("resumed after step 3"));
    }

    [Test]
    public void Train_WithWeightsInPartsAndAnAdapter_IsRefused()
    {
        var outcome = LlasaRunner.Run(Train(Folder, 1, "--set", "trainer.shard_weights=true", "--set", "lora.rank=4"));
        Assert.That(outcome.ExitCode, Is.EqualTo(2));
        Assert.That(outcome.Error, Does.Contain("trainer.shard_weights").And.Contain("lora.rank"));
    }

    [Test, Category("Long")]
    public void Sft_OnAnyNumberOfRanks_TakesTheSameSteps()
    {
        var data = Path.Combine(Folder, "data.jsonl");
        File.WriteAllLines(data, Enumerable.Range(0, 6).Select(i => $$"""{"text": "a quiet river", "codes": [{{string.Join(", ", Enumerable.Range(0, 20 + (7 * i)).Select(t => (t * t) % 61))}}]}"""));
        string[] Arguments(string name) => ["sft", "--out", Path.Combine(Folder, name), "--steps", "2", "--set", $"data.train={data}", "--set", "sft.batch_size=2"];
        LlasaRunner.RunWell(Arguments("1"));
        var one = Metrics(Path.Combine(Folder, "1"));
        foreach (var ranks in new[] { 2, 3 })   // of two utterances: the third has nothing to do
        {
            var outcome = MpiRunner.Run(ranks, Arguments($"{ranks}"));
            Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
            foreach (var (expected, actual) in one.Zip(Metrics(Path.Combine(Folder, $"{ranks}"))))
            {
                // In percent: 1e-6 for the first step; AdamW's first step decides by a gradient's sign, its rounding where that is nearly 0.
                var bound = expected.GetProperty("step").GetInt32() == 1 ? 1e-4 : 1e-2;
                foreach (var name in new[] { "optimiser/grad_norm", "sft/loss", "sft/tokens" })
                {
                    Assert.That(actual.GetProperty(name).GetDouble(), Is.EqualTo(expected.GetProperty(name).GetDouble()).Within(bound).Percent, $"{name}, {ranks} ranks");
                }
            }
        }
    }

    [Test, Category("Long")]
    public void Eval_OnRanks_ReportsWhatOneProcessDoes()
    {
        string[] Arguments(string name) => ["eval", "--limit", "5", "--seed", "3", "--out", Path.Combine(Folder, name)];
        LlasaRunner.RunWell(Arguments("one"));
        var outcome = MpiRunner.Run(2, Arguments("two"));
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
        List<JsonElement> Samples(string name) => [.. File.ReadLines(Path.Combine(Folder, name, "samples.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];
        var (one, two) = (Samples("one"), Samples("two"));
        Assert.That(two, Has.Count.EqualTo(5));
        foreach (var (expected, actual) in one.Zip(two))
        {
            Assert.Multiple(() =>
            {
                foreach (var name in new[] { "text", "transcript", "cer" })
                {
                    Assert.That(actual.GetProperty(name).ToString(), Is.EqualTo(expected.GetProperty(name).ToString()));
                }

                // The recogniser's batches are others: sums of some thousand products in float32.
                Assert.That(actual.GetProperty("nll").GetDouble(), Is.EqualTo(expected.GetProperty("nll").GetDouble()).Within(1e-5));
            });
        }
    }

    [Test]
    [Category("Long")]
    public void Compare_OnRanks_ReportsWhatOneProcessDoes()
    {
        string[] Arguments(string name) =>
            ["compare", TinyWorld.Policy, TinyWorld.Policy, "--names", "a,b", "--limit", "3", "--clips", "2", "--sounds", "--out", Path.Combine(Folder, name)];
        LlasaRunner.RunWell(Arguments("one"));
        var outcome = MpiRunner.Run(2, Arguments("two"));
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
        Assert.That(outcome.Output.Split("index.html"), Has.Length.EqualTo(2), "one rank talks");
        string[] Files(string name) => [.. Directory.GetFiles(Path.Combine(Folder, name), "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(Path.Combine(Folder, name), f)).Order()];
        Assert.That(Files("two"), Is.EqualTo(Files("one")).And.Contains(Path.Combine("sounds-after", "3-1.wav")));
        foreach (var (one, two) in new[] { "samples-before.jsonl", "samples-after.jsonl" }.SelectMany(name =>
            File.ReadLines(Path.Combine(Folder, "one", name)).Zip(File.ReadLines(Path.Combine(Folder, "two", name)))))
        {
            foreach (var name in new[] { "text", "transcript", "cer" })
            {
                Assert.That(JsonDocument.Parse(two).RootElement.GetProperty(name).ToString(), Is.EqualTo(JsonDocument.Parse(one).RootElement.GetProperty(name).ToString()));
            }
        }
    }

    [TestCase("TERM", false, Category = "Long")]
    [TestCase("INT", false)]
    [TestCase("USR1", true, Category = "Long")]   // which mpirun passes on to all
    public void Train_ASignalToAnyRank_EndsAllAfterTheStepAndSavesOnce(string signal, bool toLauncher)
    {
        using (var launched = MpiRunner.Start(2, [], Train(Folder, 1000, "--set", "run.save_every=0")))
        {
            AwaitStep(launched, 1);
            MpiRunner.Signal(toLauncher ? launched.Id : MpiRunner.RanksOf(launched)[1], signal);
            var outcome = MpiRunner.Finish(launched);
            Assert.That(outcome.ExitCode, Is.EqualTo(130), outcome.Error);
            Assert.That(outcome.Error.Split("interrupted after step"), Has.Length.EqualTo(2), outcome.Error);
        }

        Assert.That(Directory.GetDirectories(Path.Combine(Folder, "checkpoints")), Has.Length.EqualTo(1));
        var saved = int.Parse(Path.GetFileName(Directory.GetDirectories(Path.Combine(Folder, "checkpoints"))[0])["step-".Length..], CultureInfo.InvariantCulture);
        // On one rank and with the same options but its length.
        Assert.That(LlasaRunner.RunWell(Train(Folder, saved + 1, "--set", "run.save_every=0")).Error, Does.Contain($"resumed after step {saved}"));
    }

    [Test]
    public void Train_WithoutTheLaunchersMpi_IsRefusedAndNotStartedTwice()
    {
        using var launched = MpiRunner.Start(2, [("LLASA_MPI_LIBRARY", "libno-such-mpi.so")], Train(Folder, 1));
        var outcome = MpiRunner.Finish(launched);
        Assert.That(outcome.ExitCode, Is.Not.Zero);
        Assert.That(outcome.Error, Does.Contain("libno-such-mpi.so").And.Contain("LLASA_MPI_LIBRARY"));
        Assert.That(Directory.GetFileSystemEntries(Folder), Is.Empty);
    }

    private static void AwaitStep(Process launched, int step)
    {
        while (launched.StandardError.ReadLine() is { } line)
        {
            if (Regex.IsMatch(line, $"^step +{step}/"))
            {
                return;
            }
        }

        Assert.Fail($"no step {step}");
    }

    private static List<JsonElement> Metrics(string run) => [.. File.ReadLines(Path.Combine(run, "metrics.jsonl")).Select(line => JsonDocument.Parse(line).RootElement)];

    private static Dictionary<string, float[]> Weights(string run, int step)
    {
        using var file = SafeTensorsFile.Open(Path.Combine(run, "checkpoints", $"step-{step:D6}", "model.safetensors"));
        return file.Tensors.ToDictionary(t => t.Name, t => file.ReadFloats(t.Name));
    }

    private static double Distance(Dictionary<string, float[]> a, Dictionary<string, float[]> b)
    {
        double squares = 0, all = 0;
        foreach (var (name, values) in a)
        {
            for (var i = 0; i < values.Length; i++)
            {
                squares += Math.Pow(values[i] - (double)b[name][i], 2);
                all += Math.Pow(b[name][i], 2);
            }
        }

        return Math.Sqrt(squares / all);
    }
}
