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
    [TestCase("train --set rollout.dynamic_rounds=0", 2, "rollout.dynamic_rounds")]
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
    [TestCase("score  ", 2, "empty")]
    [TestCase("score hello --codes /nowhere.txt", 1, "/nowhere.txt")]
    [TestCase("speak hello --policy /nowhere", 1, "/nowhere")]
    [TestCase("speak hello --codec /nowhere", 1, "/nowhere")]
    [TestCase("train --recogniser /nowhere", 1, "/nowhere")]
    [TestCase("sft --policy /nowhere", 2, "data.train")]
    [TestCase("eval --policy /nowhere", 1, "/nowhere")]
    [TestCase("eval --data /nowhere.txt", 1, "/nowhere.txt")]
    [TestCase("inspect /nowhere", 1, "/nowhere")]
    [TestCase("score hello --wav /nowhere.wav", 1, "/nowhere.wav")]
    public void CommandLine_Faults(string line, int code, string named)
    {
        var words = line.Split(' ', 3);
        string[] arguments = line.EndsWith("  ", StringComparison.Ordinal) ? [words[0], " "] : line.Split(' ');
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
    public void Weights_OfATypeThatIsNotSupported() => AssertPolicyFails("F4", p => EditHeader(Path.Combine(p, "model.safetensors"), h =>
    {
        var tensor = h.First(t => t.Key != "__metadata__");
        tensor.Value!["dtype"] = "F4";
    }));

    [Test]
    public void Weights_OfIntegers() => AssertPolicyFails("I16", p => EditHeader(Path.Combine(p, "model.safetensors"), h =>
    {
        // The same bytes, said to be integers.
        foreach (var (name, tensor) in h.Where(t => t.Key != "__metadata__"))
        {
            tensor!["dtype"] = tensor["dtype"]!.GetValue<string>() is "BF16" or "F16" ? "I16" : throw new AssertionException($"{name}: type changed");
        }
    }));

    [Test]
    public void Weights_WithATensorMissing() => AssertPolicyFails("model.norm.weight", p => EditHeader(Path.Combine(p, "model.safetensors"), h =>
    {
        // Another name of the same length, so that nothing else moves.
        var norm = h["model.norm.weight"]!.DeepClone();
        h.Remove("model.norm.weight");
        h["model.morn.weight"] = norm;
    }));

    [TestCase("xcodec2", "--codec")]
    [TestCase("whisper", "--recogniser")]
    public void OtherModels_Damaged(string model, string option)
    {
        var source = model == "whisper" ? TinyWorld.Recogniser : TinyWorld.Codec;
        AssertModelFails(source, option, "model.safetensors", m =>
        {
            using var file = File.OpenWrite(Path.Combine(m, "model.safetensors"));
            file.SetLength(file.Length - 1);
        });
        AssertModelFails(source, option, "model.safetensors", m => File.Delete(Path.Combine(m, "model.safetensors")));
        AssertModelFails(source, option, "model.safetensors", m =>
        {
            using var file = File.OpenWrite(Path.Combine(m, "model.safetensors"));
            file.Write([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        });
        AssertModelFails(source, option, "config.json", m => File.WriteAllText(Path.Combine(m, "config.json"), "[]"));
        AssertModelFails(source, option, "model_type", m => EditJson(Path.Combine(m, "config.json"), c => c["model_type"] = "bert"));
        AssertModelFails(source, option, "NaN", m => FillWithNaN(Path.Combine(m, "model.safetensors")));
    }

    [Test]
    public void Recogniser_OfAnotherShape() => AssertModelFails(
        TinyWorld.Recogniser, "--recogniser", "expected", m => EditJson(Path.Combine(m, "config.json"), c => c["encoder_ffn_dim"] = 8));

    [Test]
    public void Codec_OfAnotherShape() => AssertModelFails(
        TinyWorld.Codec, "--codec", "expected", m => EditJson(Path.Combine(m, "config.json"), c => c["intermediate_size"] = 8));

    [TestCase("run:\n  steps: [1\n", "run.yaml:3")]
    [TestCase("run:\n  stepz: 1\n", "run.steps")]
    [TestCase("run:\n  steps: many\n", "run.steps")]
    [TestCase("- 1\n", "run.yaml")]
    public void Configuration_Malformed(string yaml, string named)
    {
        var path = Path.Combine(Folder, "run.yaml");
        File.WriteAllText(path, yaml);
        AssertFails(2, named, "train", "--config", path, "--out", Path.Combine(Folder, "run"));
        Assert.That(Directory.Exists(Path.Combine(Folder, "run")), Is.False, "no partial output");
    }

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

    [TestCase(20, new byte[] { 2, 0 }, "fmt", Description = "ADPCM")]
    [TestCase(22, new byte[] { 0, 0 }, "fmt", Description = "no channel")]
    [TestCase(34, new byte[] { 40, 0 }, "fmt", Description = "40 bits")]
    public void Wave_OfAKindNotSupported_IsRefused(int at, byte[] bytes, string named)
    {
        var path = Path.Combine(Folder, "a.wav");
        LlasaNative.Audio.WaveFile.Write(path, new float[160], 16000);
        using (var file = File.OpenWrite(path))
        {
            file.Seek(at, SeekOrigin.Begin);
            file.Write(bytes);
        }

        AssertFails(1, named, "score", "hello", "--wav", path);
        AssertFails(1, path, "score", "hello", "--wav", path);
    }

    [Test]
    public void Speaking_ThatFails_LeavesNoFile()
    {
        var path = Path.Combine(Folder, "out", "a.wav");
        AssertFails(2, "--temperature", "speak", "a big dog", "--temperature", "-1", "--out", path);
        Assert.That(Directory.EnumerateFileSystemEntries(Folder), Is.Empty);
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

    private static void EditHeader(string path, Action<JsonObject> edit)
    {
        var bytes = File.ReadAllBytes(path);
        var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var header = JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject();
        edit(header);
        var text = System.Text.Encoding.UTF8.GetBytes(header.ToJsonString());
        Assert.That(text, Has.Length.LessThanOrEqualTo(length), "the header must not grow");
        bytes.AsSpan(8, length).Fill((byte)' ');
        text.CopyTo(bytes, 8);
        File.WriteAllBytes(path, bytes);
    }

    // Every value NaN, whatever the type.
    private static void FillWithNaN(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes.AsSpan(8 + (int)BinaryPrimitives.ReadInt64LittleEndian(bytes)).Fill(0xff);
        File.WriteAllBytes(path, bytes);
    }

    private void AssertModelFails(string source, string option, string named, Action<string> damage)
    {
        var copy = Copy(source);
        damage(copy);
        AssertFails(1, named, "train", option, copy, "--out", Path.Combine(Folder, "run"));
        Assert.That(Directory.Exists(Path.Combine(Folder, "run")), Is.False, "no partial output");
        Directory.Delete(copy, recursive: true);
    }

    private string Copy(string source)
    {
        var copy = Directory.CreateDirectory(Path.Combine(Folder, "model")).FullName;
        foreach (var file in Directory.GetFiles(source))
        {
            File.WriteAllBytes(Path.Combine(copy, Path.GetFileName(file)), File.ReadAllBytes(file));
        }

        return copy;
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
        var copy = Copy(TinyWorld.Policy);
        damage(copy);
        AssertFails(1, named, "train", "--policy", copy, "--out", Path.Combine(Folder, "run"));
        Assert.That(Directory.Exists(Path.Combine(Folder, "run")), Is.False, "no partial output");
    }
}
