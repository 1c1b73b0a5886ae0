using System.Buffers.Binary;
using System.Text.Json.Nodes;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Each a one-line error that names file and field, the right exit code, and nothing left behind.</summary>
public sealed class BadInputTests : TinyWorldTests
{
    [TestCase("train --bogus", 2, "--bogus")]
    [TestCase("nonsense", 2, "nonsense")]
    [TestCase("train --set rollout.temprature=1", 2, "rollout.temperature")]
    [TestCase("train --set run.steps=0 --set loss.clip_low=7", 2, "loss.clip_low")]
    [TestCase("train --set algorithm=ppo", 2, "dapo")]
    [TestCase("train --set rollout.dynamic=true", 2, "rollout.dynamic_rounds")]
    [TestCase("train --set loss.kl_coefficient=1 --set loss.reference=none", 2, "loss.reference")]
    [TestCase("train --set reward.components=/nowhere.dll:A=1", 2, "/nowhere.dll")]
    [TestCase("train --set data.max_prompt_tokens=3", 1, "max_prompt_tokens")]
    [TestCase("train --config /nowhere.yaml", 2, "/nowhere.yaml")]
    [TestCase("train --backend tpu", 2, "--backend")]
    [TestCase("train --threads 1000", 2, "--threads")]
    [TestCase("speak  ", 2, "empty")]
    [TestCase("speak hello --temperature -1", 2, "--temperature")]
    [TestCase("speak hello --max-new-tokens 5000", 2, "max_position_embeddings")]
    [TestCase("score hello", 2, "--wav or --codes")]
    [TestCase("eval --data /nowhere.txt", 1, "/nowhere.txt")]
    [TestCase("inspect /nowhere", 1, "/nowhere")]
    [TestCase("score hello --wav /nowhere.wav", 1, "/nowhere.wav")]
    public void CommandLine_Faults(string line, int code, string named)
    {
        var words = line.Split(' ', 3);
        string[] arguments = words[0] == "speak" && line.EndsWith("  ", StringComparison.Ordinal) ? ["speak", " "] : line.Split(' ');
        AssertFails(code, named, arguments);
    }

    [Test]
    public void Text_LongerThanTheModel_IsRefused() =>
        AssertFails(2, "max_position_embeddings", "speak", string.Concat(Enumerable.Repeat("long ", 200)), "--out", Path.Combine(Folder, "a.wav"));

    [Test]
    public void Weights_Truncated() => AssertPolicyFails("model.safetensors", p =>
    {
        using var file = File.OpenWrite(Path.Combine(p, "model.safetensors"));
        file.SetLength(file.Length / 2);
    });

    [Test]
    public void Weights_Missing() => AssertPolicyFails("model.safetensors", p => File.Delete(Path.Combine(p, "model.safetensors")));

    [Test]
    public void Weights_HeaderLengthThatLies() => AssertPolicyFails("model.safetensors", p =>
    {
        using var file = File.OpenWrite(Path.Combine(p, "model.safetensors"));
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, long.MaxValue / 2);
        file.Write(length);
    });

    [Test]
    public void Weights_NaN() => AssertPolicyFails("model.", p =>
    {
        using var file = File.OpenWrite(Path.Combine(p, "model.safetensors"));
        file.Seek(-2, SeekOrigin.End);
        file.Write([0xff, 0x7f]);
    });

    [Test]
    public void Weights_OfAnotherShape() => AssertPolicyFails("model.", p => EditJson(Path.Combine(p, "config.json"), c => c["intermediate_size"] = 256));

    [Test]
    public void Architecture_Unknown() => AssertPolicyFails("architectures", p => EditJson(Path.Combine(p, "config.json"), c => c["architectures"] = new JsonArray("GptForCausalLM")));

    [Test]
    public void Config_Unreadable() => AssertPolicyFails("config.json", p => File.WriteAllText(Path.Combine(p, "config.json"), "{"));

    [Test]
    public void Tokenizer_WithoutLlasaTokens() => AssertPolicyFails("SPEECH_GENERATION_END", p =>
    {
        var path = Path.Combine(p, "tokenizer.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("<|SPEECH_GENERATION_END|>", "<|something_else|>", StringComparison.Ordinal));
    });

    [Test]
    public void Codes_OutOfRange()
    {
        var path = Path.Combine(Folder, "codes.txt");
        File.WriteAllText(path, "1 2 99999");
        AssertFails(2, "99999", "score", "hello", "--codes", path);
    }

    [Test]
    public void Wave_OfAnotherFormat_IsRefused()
    {
        var path = Path.Combine(Folder, "a.wav");
        File.WriteAllText(path, "OggS not a wave file at all");
        AssertFails(1, path, "score", "hello", "--wav", path);
    }

    [Test]
    public void Wave_OfAnotherRate_IsResampled()
    {
        var path = Path.Combine(Folder, "a.wav");
        LlasaNative.Audio.WaveFile.Write(path, Enumerable.Range(0, 22050).Select(i => (float)Math.Sin(i * 0.05) * 0.3f).ToArray(), 22050);
        LlasaRunner.RunWell("score", "hello", "--wav", path);
    }

    [Test]
    public void Output_ThatCannotBeWritten_IsOneLine() => AssertFails(1, "/proc/nowhere", "speak", "a big dog", "--out", "/proc/nowhere/a.wav");

    private static void EditJson(string path, Action<JsonObject> edit)
    {
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        edit(json);
        File.WriteAllText(path, json.ToJsonString());
    }

    private static void AssertFails(int code, string named, params string[] arguments)
    {
        var outcome = LlasaRunner.Run(arguments);
        Assert.Multiple(() =>
        {
            Assert.That(outcome.ExitCode, Is.EqualTo(code), outcome.Error);
            Assert.That(outcome.Error, Does.StartWith("llasa: ").And.Contains(named));
            Assert.That(outcome.Error.TrimEnd('\n').Split('\n'), Has.Length.EqualTo(1), "one line");
        });
    }

    private void AssertPolicyFails(string named, Action<string> damage)
    {
        var copy = Directory.CreateDirectory(Path.Combine(Folder, "policy")).FullName;
        foreach (var file in Directory.GetFiles(TinyWorld.Policy))
        {
            File.WriteAllBytes(Path.Combine(copy, Path.GetFileName(file)), File.ReadAllBytes(file));
        }

        damage(copy);
        AssertFails(1, named, "train", "--policy", copy, "--out", Path.Combine(Folder, "run"));
        Assert.That(Directory.Exists(Path.Combine(Folder, "run")), Is.False, "no partial output");
    }
}
