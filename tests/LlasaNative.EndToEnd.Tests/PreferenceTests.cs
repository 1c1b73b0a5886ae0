using System.Text.Json;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests;

/// <summary><c>llasa dpo</c> on the tiny world.</summary>
public sealed class PreferenceTests : TinyWorldTests
{
    private string Pairs => Path.Combine(Folder, "pairs.jsonl");

    [SetUp]
    public void DrawPairs()
    {
        // The same text drawn three times with other seeds: the first is chosen.
        string[] codes = [.. Enumerable.Range(1, 3).Select(Speak)];
        File.WriteAllLines(Pairs, [Row(codes[0], codes[1]), Row(codes[0], codes[2])]);

        string Speak(int seed)
        {
            LlasaRunner.RunWell("speak", "a big dog", "--codes", "--seed", $"{seed}", "--out", Path.Combine(Folder, $"{seed}.wav"));
            return File.ReadAllText(Path.Combine(Folder, $"{seed}.codes.txt")).Trim().Replace(' ', ',');
        }

        static string Row(string chosen, string rejected) => $$"""{"text": "a big dog", "chosen": [{{chosen}}], "rejected": [{{rejected}}]}""";
    }

    [TestCase("dpo.loss=dpo", "dpo.sft_weight=0.1")]
    [TestCase("dpo.loss=simpo", "dpo.beta=2", Category = "Long")]
    [TestCase("dpo.loss=ipo", "lora.rank=4")]
    [TestCase("dpo.loss=dpo_norm", "dpo.label_smoothing=0.1", "dpo.reference=bf16", Category = "Long")]
    public void Dpo_LearnsWhatWasChosen_AndResumesToTheSameBits(params string[] settings)
    {
        string[] arguments =
        [
            "dpo", "--data", Pairs, "--held-out", Pairs, .. settings.Concat(["dpo.batch_size=2", "optimiser.warmup_steps=0", "optimiser.learning_rate=1e-3", "run.evaluate_every=2"]).SelectMany(s => new[] { "--set", s }),
        ];
        string a = Path.Combine(Folder, "a"), b = Path.Combine(Folder, "b");
        LlasaRunner.RunWell([.. arguments, "--out", a, "--steps", "4"]);
        LlasaRunner.RunWell([.. arguments, "--out", b, "--steps", "2"]);
        var second = LlasaRunner.RunWell([.. arguments, "--out", b, "--steps", "4"]);
        Assert.That(second.Error, Does.Contain("resumed after step 2"));
        if (settings.Contains("lora.rank=4"))
        {
            Assert.That(File.ReadAllBytes(Path.Combine(b, "adapter", "adapter_model.safetensors")), Is.EqualTo(File.ReadAllBytes(Path.Combine(a, "adapter", "adapter_model.safetensors"))));
        }
        else
        {
            AssertSame(Checkpoint(b, 4), Checkpoint(a, 4));
        }

        JsonElement[] rows = [.. File.ReadLines(Path.Combine(a, "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement)];
        Assert.Multiple(() =>
        {
            Assert.That(rows[^1].GetProperty("dpo/loss").GetDouble(), Is.LessThan(rows[0].GetProperty("dpo/loss").GetDouble()));
            Assert.That(rows[^1].GetProperty("dpo/margin").GetDouble(), Is.GreaterThan(rows[0].GetProperty("dpo/margin").GetDouble()));
            Assert.That(rows.Select(r => r.TryGetProperty("evaluation/margin", out _)), Is.EqualTo(new[] { false, true, false, true }));
            Assert.That(rows[^1].GetProperty("evaluation/margin").GetDouble(), Is.GreaterThan(rows[^1].GetProperty("dpo/margin").GetDouble()), "measured after the step");
            Assert.That(LlasaRunner.RunWell("inspect", Path.Combine(a, "policy"), "--check").Output, Does.Contain("finite"));
        });
    }

    [Test]
    public void Dpo_NamesWhatIsWrongWithItsData()
    {
        var bad = Path.Combine(Folder, "bad.jsonl");
        Assert.Multiple(() =>
        {
            Assert.That(Fault("""{"text": "a", "chosen": [1]}"""), Does.Contain("bad.jsonl: line 1: has no list `rejected`"));
            Assert.That(Fault("""{"text": "a", "chosen": [1], "rejected": [1024]}"""), Does.Contain("`rejected`: code 1024 is not a whole number from 0 to 1023"));
            Assert.That(Fault("""{"text": "a", "chosen": "hello", "rejected": "you"}"""), Does.Contain("`chosen` is not a list"));
            Assert.That(LlasaRunner.Run("dpo", "--out", Folder).Error, Does.Contain("data.train: name a .jsonl or .parquet file of preferences"));
            Assert.That(LlasaRunner.Run("dpo", "--data", Pairs, "--out", Folder, "--set", "run.evaluate_every=1").Error, Does.Contain("`data.evaluation` names no preferences"));
        });

        string Fault(string row)
        {
            File.WriteAllText(bad, row + "\n");
            return LlasaRunner.Run("dpo", "--data", bad, "--out", Path.Combine(Folder, "bad")).Error;
        }
    }

    [Test]
    public void Sft_OfAFileWithTextsAsPreferences_IsNotDisturbed()
    {
        var data = Path.Combine(Folder, "sft.jsonl");
        File.WriteAllText(data, """{"text": "a big dog", "codes": [1, 2, 3], "chosen": "yes", "rejected": 4}""" + "\n");
        LlasaRunner.RunWell("sft", "--data", data, "--out", Path.Combine(Folder, "sft"), "--steps", "1", "--set", "sft.batch_size=1");
    }
}
