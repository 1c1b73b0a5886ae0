using System.Text.Json;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>From texts through Parquet files to training, supervised training and evaluation.</summary>
public sealed class PreparedDataTests : TinyWorldTests
{
    [Test]
    public void Dummy_OfFewerRowsThanABatch_Trains()
    {
        var prepared = LlasaRunner.RunWell("prepare", "--dummy", "-o", Path.Combine(Folder, "data"));
        Assert.That(prepared.Output, Does.Match("train +5\n").And.Match("test +2\n"));
        LlasaRunner.RunWell("train", "--data", Split("train"), "--out", Path.Combine(Folder, "run"), "--steps", "1",
            "--set", "rollout.prompts_per_step=7", "--set", "rollout.samples_per_prompt=1", "--set", "rollout.max_new_tokens=40",
            "--set", $"data.evaluation={Split("test")}", "--set", "run.evaluate_every=1");
        var texts = File.ReadLines(Path.Combine(Folder, "run", "samples.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("text").GetString()).ToArray();
        Assert.That(texts, Has.Length.EqualTo(7));
        Assert.That(texts.Distinct().Count(), Is.EqualTo(5), "every row once, then the next epoch");
    }

    [Test]
    public void Prepare_ThenSftAndEval_ReadTheFiles()
    {
        var lines = Path.Combine(Folder, "speech.jsonl");
        LlasaRunner.RunWell("speak", "a big dog", "--codes", "--out", Path.Combine(Folder, "a.wav"));
        var codes = File.ReadAllText(Path.Combine(Folder, "a.codes.txt")).Trim().Replace(' ', ',');
        File.WriteAllText(lines, $"{{\"text\": \"a big dog\", \"codes\": [{codes}]}}\n{{\"text\": \"the cat sleeps\", \"codes\": [{codes}]}}\n");
        LlasaRunner.RunWell("prepare", lines, "-o", Path.Combine(Folder, "data"), "--test-ratio", "0.5", "--policy", Trainer.TinyWorld.Policy, "--max-length", "100");
        LlasaRunner.RunWell("sft", "--data", Split("train"), "--out", Path.Combine(Folder, "run"), "--steps", "1", "--set", "sft.batch_size=2");
        Assert.That(LlasaRunner.RunWell("eval", "--data", Split("test")).Output, Does.Contain("samples    1\n"));
    }

    [TestCase("t.txt", "안녕하세요\na big dog\n", "default", "1 of 2 texts are in other letters than English, but the recogniser listens for `en`")]
    [TestCase("t.jsonl", "{\"text\": \"a big dog\", \"language\": \"ko-KR\"}\n{\"text\": \"the cat\", \"language\": \"English\"}\n", "default", "1 of 2 texts are in ko, but the recogniser listens for `en`")]
    [TestCase("t.csv", "text,language\n안녕하세요,en\na big dog,\n", "default", null)]
    [TestCase("t.jsonl", "{\"text\": \"안녕하세요\", \"language\": \"ko\"}\n", "auto", null)]
    public void MyTextsAreInAnotherLanguageThanTheRecogniserListensFor_AndIAmTold(string name, string content, string language, string? told)
    {
        var texts = Path.Combine(Folder, name);
        File.WriteAllText(texts, content);
        var result = LlasaRunner.RunWell("eval", "--data", texts, "--max-new-tokens", "8", "--set", $"recogniser.language={language}");
        Assert.That(result.Error, told is null ? Does.Not.Contain("warning") : Does.Contain($"llasa: warning: {told}: set recogniser.language"));
    }

    [Test]
    public void Rows_TooLongForTheModel_AreRefusedOrSkipped()
    {
        var texts = Path.Combine(Folder, "texts.txt");
        File.WriteAllLines(texts, ["a big dog", string.Concat(Enumerable.Repeat("long ", 300)), "the cat sleeps"]);
        LlasaRunner.RunWell("prepare", texts, "-o", Path.Combine(Folder, "data"), "--test-ratio", "0");
        var refused = LlasaRunner.Run(Train(Path.Combine(Folder, "run"), 1, "--data", Split("train")));
        Assert.Multiple(() =>
        {
            Assert.That(refused.ExitCode, Is.EqualTo(1));
            Assert.That(refused.Error, Does.StartWith($"llasa: {Split("train")}: row group 0, row 1: ").And.Contains("max_position_embeddings"));
            Assert.That(Directory.Exists(Path.Combine(Folder, "run")), Is.False);
        });
        var skipped = LlasaRunner.RunWell(Train(Path.Combine(Folder, "run"), 1, "--data", Split("train"), "--set", "data.faulty_rows=skip"));
        Assert.That(skipped.Error, Does.Contain($"llasa: left out: {Split("train")}: row group 0, row 1: "));
        Assert.That(LlasaRunner.Run("eval", "--data", Split("train")).ExitCode, Is.EqualTo(1));
        Assert.That(LlasaRunner.RunWell("eval", "--data", Split("train"), "--skip-faulty").Output, Does.Contain("samples    2\n"));
    }

    [Test]
    public void ADirectoryThatPrepareWrote_IsTrainedOnItsTrainingSplit_AndEvaluatedOnItsTestSplit()
    {
        LlasaRunner.RunWell("prepare", "--dummy", "-o", Path.Combine(Folder, "data"));
        var data = Path.Combine(Folder, "data");
        var trained = LlasaRunner.RunWell("train", "--data", data, "--out", Path.Combine(Folder, "run"), "--steps", "1",
            "--set", "rollout.prompts_per_step=10", "--set", "rollout.samples_per_prompt=1", "--set", "rollout.max_new_tokens=40",
            "--set", $"data.evaluation={data}", "--set", "run.evaluate_every=1");
        var texts = File.ReadLines(Path.Combine(Folder, "run", "samples.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("text").GetString()).Distinct();
        Assert.Multiple(() =>
        {
            Assert.That(texts, Is.EquivalentTo(Data.PromptFile.Read(Split("train"))), "none of the test split");
            Assert.That(trained.Error, Does.Contain($"{data}: the train split by name, 1 file, 5 texts: train.parquet (5); left out (test split): test.parquet"));
            Assert.That(trained.Error, Does.Contain($"{data}: the test split by name, 1 file, 2 texts: test.parquet (2)"));
            Assert.That(LlasaRunner.RunWell("eval", "--data", data).Output, Does.Contain("samples    2\n"));
        });
    }

    private string Split(string split) => Path.Combine(Folder, "data", split + ".parquet");
}
