using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlasaNative.EndToEnd.Tests;

/// <summary><c>llasa sft</c> on a corpus: epochs, held-out loss, kills inside an epoch, LLaSA_training's layout.</summary>
public sealed class CorpusTests : TinyWorldTests
{
    private static string Matrix => Path.Combine(TestContext.CurrentContext.TestDirectory, "..", "..", "..", "..", "fixtures", "token_matrix", "tiny");

    private string Data => Path.Combine(Folder, "data");

    [SetUp]
    public void WriteACorpus()
    {
        // As texts and codes, what the fixture holds as token ids.
        Directory.CreateDirectory(Data);
        var utterances = JsonNode.Parse(File.ReadAllText(Path.Combine(Matrix, "case.json")))!["utterances"]!;
        foreach (var split in new[] { "train", "val" })
        {
            File.WriteAllLines(Path.Combine(Data, split + ".jsonl"), utterances[split]!.AsArray().Select(u => u!.ToJsonString()));
        }
    }

    [Test]
    public void Sft_OfEpochs_MeasuresTheValidationSplit_AndNamesTheBestCheckpoint()
    {
        var outcome = LlasaRunner.RunWell(Sft("run", Data, "sft.epochs=3", "run.keep=1"));
        var rows = Metrics("run");
        var best = rows.Where(r => r.TryGetProperty("evaluation/loss", out _)).MinBy(r => r.GetProperty("evaluation/loss").GetDouble());
        var name = $"step-{best.GetProperty("step").GetInt32():D6}";
        Assert.Multiple(() =>
        {
            Assert.That(rows, Has.Length.EqualTo(8), "15 utterances by 2");
            Assert.That(rows[^1].GetProperty("sft/epoch").GetDouble(), Is.EqualTo(3));
            Assert.That(rows.Select(r => r.TryGetProperty("evaluation/loss", out _)), Is.EqualTo(new[] { false, false, true, false, false, true, false, true }));

            Assert.That(outcome.Error, Does.Contain("the train split by name").And.Contains("the validation split by name"));
            Assert.That(outcome.Output, Does.Contain("lowest held-out loss").And.Contains(Path.Combine("checkpoints", name)));
            Assert.That(File.ReadAllText(Path.Combine(Folder, "run", "checkpoints", "best")), Is.EqualTo(name + "\n"));
            Assert.That(Path.Combine(Folder, "run", "checkpoints", name, "config.json"), Does.Exist);
        });
        LlasaRunner.RunWell("inspect", Path.Combine(Folder, "run", "checkpoints", name), "--check");
    }

    [Test]
    public void Sft_HeldOutLoss_IsTheLossOfTheSameUtterancesInTraining()
    {
        // With a rate of 0 the weights stay, so the two are one number up to rounding: sums of 100-odd float32 terms of size 5.
        var train = Path.Combine(Data, "train.jsonl");
        LlasaRunner.RunWell([.. Sft("run", train, "sft.batch_size=5", "optimiser.learning_rate=0", "run.evaluate_every=1", "run.steps=1"), "--validation", train]);
        var row = Metrics("run").Single();
        Assert.That(row.GetProperty("evaluation/loss").GetDouble(), Is.EqualTo(row.GetProperty("sft/loss").GetDouble()).Within(1e-5));
        Assert.That(row.GetProperty("evaluation/tokens").GetDouble(), Is.EqualTo(row.GetProperty("sft/tokens").GetDouble()));
    }

    [Test]
    public void Sft_KilledInsideAnEpoch_AndResumed_EndsWithTheSameBits()
    {
        LlasaRunner.RunWell(Sft("whole", Data, "sft.epochs=4"));
        using (var process = LlasaRunner.StartAndAwait("step  4/10", Sft("parts", Data, "sft.epochs=4", "run.save_every=1")))
        {
            process.Kill();
            process.WaitForExit();
        }

        Assert.That(LlasaRunner.RunWell(Sft("parts", Data, "sft.epochs=4", "run.save_every=1")).Error, Does.Contain("resumed after step"));
        AssertSame(Checkpoint(Path.Combine(Folder, "parts"), 10), Checkpoint(Path.Combine(Folder, "whole"), 10));
        foreach (var name in new[] { "sft/loss", "sft/epoch", "evaluation/loss" })
        {
            double[] Values(string run) => [.. Metrics(run).Select(r => r.TryGetProperty(name, out var value) ? value.GetDouble() : -1)];
            Assert.That(Values("parts"), Is.EqualTo(Values("whole")), name);
        }
    }

    [Test]
    public void Sft_OfLlasaTrainingsFiles_LearnsWhatTheyHold()
    {
        LlasaRunner.RunWell(Sft("texts", Data, "sft.epochs=1"));
        LlasaRunner.RunWell(Sft("tokens", Path.Combine(Matrix, "data"), "sft.epochs=1"));
        AssertSame(Checkpoint(Path.Combine(Folder, "tokens"), 3), Checkpoint(Path.Combine(Folder, "texts"), 3));
        Assert.That(Metrics("tokens")[^1].GetProperty("evaluation/loss").GetDouble(), Is.EqualTo(Metrics("texts")[^1].GetProperty("evaluation/loss").GetDouble()));
        var train = LlasaRunner.Run("train", "--data", Path.Combine(Matrix, "data"), "--out", Path.Combine(Folder, "grpo"), "--steps", "1");
        Assert.That((train.ExitCode, train.Error), Is.EqualTo((1, train.Error)));
        Assert.That(train.Error, Does.Contain("only `llasa sft` reads"));
    }

    private JsonElement[] Metrics(string run) => [.. File.ReadLines(Path.Combine(Folder, run, "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)];

    private string[] Sft(string run, string data, params string[] settings) =>
    [
        "sft", "--data", data, "--out", Path.Combine(Folder, run),
        .. new[] { "sft.batch_size=2", "optimiser.warmup_steps=0", "run.evaluate_every=3" }.Concat(settings).SelectMany(s => new[] { "--set", s }),
    ];
}
