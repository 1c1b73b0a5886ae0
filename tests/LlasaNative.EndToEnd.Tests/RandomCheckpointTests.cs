using System.Text.Json.Nodes;
using LlasaNative.Models;
using LlasaNative.RandomCheckpoints;
using LlasaNative.Tests.Support;
using LlasaNative.Text;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Random checkpoints have the shapes of Transformers' and are models like others.</summary>
public sealed class RandomCheckpointTests : TinyWorldTests
{
    private static IEnumerable<TestCaseData> Stored()
    {
        string[] families = ["llama_forward/*/model", "whisper_tiny/*/model", "xcodec2/full_tiny/hf"];
        var fixtures = families.SelectMany(family => Directory.GetDirectories(Path.Combine(OracleData.RepositoryRoot, "tests", "fixtures", family.Split('/')[0]))
            .Where(path => family.Contains('*', StringComparison.Ordinal) || Path.GetFileName(path) == family.Split('/')[1])
            .Select(path => Path.Combine(path, family.Split('/')[2])));
        var tiny = new[] { "policy", "whisper", "xcodec2" }.Select(name => Path.Combine(OracleData.RepositoryRoot, "assets", "tiny", name));
        foreach (var directory in fixtures.Concat(tiny))
        {
            var type = (string)JsonNode.Parse(File.ReadAllText(Path.Combine(directory, "config.json")))!["model_type"]!;
            var kind = type switch { "llama" => ModelKind.Policy, "whisper" => ModelKind.Recogniser, _ => ModelKind.Codec };
            yield return new TestCaseData(directory, kind).SetArgDisplayNames(Path.GetRelativePath(OracleData.RepositoryRoot, directory));
        }
    }

    [TestCaseSource(nameof(Stored))]
    public void Shapes_AreThoseThatTransformersStores(string stored, ModelKind kind)
    {
        using var directory = HuggingFaceDirectory.Open(stored);
        var tensors = ModelTensors.Of(kind, directory.ConfigPath, TensorType.F32);
        // Transformers stores a tied head under one of its two names.
        var expected = directory.Tensors.Where(t => t.Name != "proj_out.weight").Select(Text);
        Assert.That(tensors.Select(Text), Is.EquivalentTo(expected));

        static string Text(TensorInfo tensor) => $"{tensor.Name} {tensor.ShapeText}";
    }

    [TestCase(ModelKind.Policy, "llasa-1b", 1_370_000_000L)]
    [TestCase(ModelKind.Policy, "llama-3.2-1b", 1_235_814_400L)]
    [TestCase(ModelKind.Policy, "llama-3.2-3b", 3_212_749_824L)]
    [TestCase(ModelKind.Policy, "llama-3.1-8b", 8_030_261_248L, Category = "Long")]
    [TestCase(ModelKind.Recogniser, "whisper-base", 72_593_920L)]
    [TestCase(ModelKind.Recogniser, "whisper-large-v3", 1_543_490_560L, Category = "Long")]
    public void PublicShapes_HaveThePublishedNumberOfParameters(ModelKind kind, string name, long expected)
    {
        var config = Path.Combine(Folder, "config.json");
        File.WriteAllText(config, PublicShapes.Config(kind, name).ToJsonString());
        var count = ModelTensors.Of(kind, config, TensorType.BF16).Sum(t => t.ElementCount);
        Assert.That(count, name == "llasa-1b" ? Is.EqualTo(1_235_814_400L + (2048L * (193_800 - 128_256))) : Is.EqualTo(expected));
    }

    [Test]
    public void LargeTokenizer_LeavesNoGarbageWhenItsPolicyIsLoaded()
    {
        var config = Write("policy.json", PublicShapes.Config(ModelKind.Policy, "llasa-1b"), ("hidden_size", 16), ("intermediate_size", 16), ("num_hidden_layers", 1),
            ("num_attention_heads", 1), ("num_key_value_heads", 1), ("head_dim", 16));
        using var policy = PolicyModel.Load(Make("large", "policy", config, "--dtype", "bf16"));
        var held = GC.GetTotalMemory(forceFullCollection: false);
        var needed = GC.GetTotalMemory(forceFullCollection: true);
        Assert.That(policy.Prompt.Tokenizer.VocabularySize, Is.EqualTo(193_800));
        Assert.That(held - needed, Is.LessThan(8 << 20), "its file alone is 14 MB");
    }

    [Test]
    public void Policy_Speaks_AndIsTheSameInShardsAndInOtherTypes()
    {
        var config = Write("policy.json", PublicShapes.Config(ModelKind.Policy, "llasa-1b"), ("hidden_size", 64), ("intermediate_size", 128), ("num_hidden_layers", 2),
            ("num_attention_heads", 4), ("num_key_value_heads", 2), ("head_dim", 16), ("vocab_size", 3000));
        var whole = Make("whole", "policy", config, "--dtype", "f32");
        var sharded = Make("sharded", "policy", config, "--dtype", "bf16", "--shard-gb", "0.0001");
        Assert.That(Directory.GetFiles(sharded, "*.safetensors"), Has.Length.GreaterThan(2));
        using (var a = HuggingFaceDirectory.Open(whole))
        using (var b = HuggingFaceDirectory.Open(sharded))
        {
            Assert.That(b.Tensors.Select(t => t.Name), Is.EqualTo(a.Tensors.Select(t => t.Name)));
            foreach (var name in a.Tensors.Select(t => t.Name))
            {
                var values = a.ReadFloats(name);
                // bf16 keeps 8 significant bits.
                Assert.That(b.ReadFloats(name).Zip(values).Max(p => Math.Abs(p.First - p.Second)), Is.LessThanOrEqualTo(values.Max(Math.Abs) / 256), name);
            }

            // 3,000 · 64 values: the deviation of their variance is sqrt(0.8 / 192,000) = 0.2 % of it.
            var embedding = a.ReadFloats("model.embed_tokens.weight");
            Assert.That(embedding.Average(x => x * (double)x), Is.EqualTo(0.02 * 0.02).Within(2).Percent);
            Assert.That(embedding.Average(), Is.Zero.Within(5 * 0.02 / Math.Sqrt(embedding.Length)));
        }

        using var policy = PolicyModel.Load(sharded);
        Assert.That(policy.Speech.Offset + policy.Speech.Count, Is.EqualTo(3000));
        var samples = policy.Sample(
            new SampleRequest([policy.EncodePrompt("a big dog", 8)], 2, new SamplingSettings { MaxNewTokens = 8, SpeechOnly = true }, [0, 1]) { Slots = 2 }, CancellationToken.None);
        Assert.That(samples[0].Tokens.ToArray(), Is.Not.EqualTo(samples[1].Tokens.ToArray()));
    }

    [Test, Category("Long")]
    public void SizesAlone_AreWhatAPlanReads()
    {
        string[] places = [.. new[] { "policy", "codec", "recogniser" }.Select(kind => Path.Combine(Folder, kind))];
        foreach (var place in places)
        {
            Assert.That(LlasaRunner.RunWell("dev", "random-checkpoint", Path.GetFileName(place), place, "--sizes-only").Output, Does.EndWith(", 0.00 GB of weights\n"));
            Assert.That(Directory.GetFiles(place, "*.safetensors"), Is.Empty);
        }

        var table = LlasaRunner.RunWell("inspect", "--memory", places[0], "--codec", places[1], "--recogniser", places[2]).Output;
        Assert.That(table, Does.Contain("the policy's weights").And.Contain("the codec's decoder").And.Contain("the recogniser's weights"));
        Assert.That(LlasaRunner.Run("inspect", places[0]).ExitCode, Is.EqualTo(1), "no model without weights");
    }

    [Test]
    public void Seeds_DecideTheValues()
    {
        var config = Path.Combine(OracleData.RepositoryRoot, "assets", "tiny", "xcodec2", "config.json");
        string[] made = [Make("a", "codec", config), Make("b", "codec", config), Make("c", "codec", config, "--seed", "2")];
        byte[][] files = [.. made.Select(directory => File.ReadAllBytes(Path.Combine(directory, "model.safetensors")))];
        Assert.That(files[1], Is.EqualTo(files[0]));
        Assert.That(files[2], Is.Not.EqualTo(files[0]));
        using var codec = SpeechCodec.Load(made[0], withEncoder: true);
        using var sound = codec.Decode([[1, 2, 3, 4]]);
        Assert.That(sound.Samples.ToArray(), Has.All.Matches<float>(float.IsFinite));
        Assert.That(codec.Encode(sound.Samples), Is.Not.Empty);
    }

    [Test]
    public void Recogniser_HasWhispersTokens()
    {
        var config = Write("whisper.json", PublicShapes.Config(ModelKind.Recogniser, "whisper-large-v3"), ("d_model", 16), ("encoder_layers", 2), ("decoder_layers", 1),
            ("encoder_attention_heads", 2), ("decoder_attention_heads", 2), ("encoder_ffn_dim", 32), ("decoder_ffn_dim", 32), ("max_source_positions", 50));
        using var recogniser = NativeRecogniser.Load(Make("whisper", "recogniser", config));
        var standard = WhisperTokens.Standard(51_866);
        Assert.Multiple(() =>
        {
            Assert.That(recogniser.Tokens.Languages, Is.EquivalentTo(standard.Languages));
            Assert.That(Ids(recogniser.Tokens), Is.EqualTo(Ids(standard)));
            Assert.That(recogniser.EncodeTarget("a big dog")[^1], Is.EqualTo(standard.EndOfText));
        });

        static int?[] Ids(WhisperTokens t) => [t.EndOfText, t.StartOfTranscript, t.Transcribe, t.Translate, t.NoTimestamps, t.NoSpeech];
    }

    [Test]
    public void Llasa_SpecialTokensHaveTheirIds()
    {
        var path = Path.Combine(Folder, "tokenizer.json");
        RandomTokenizer.WritePolicy(path, 193_800);
        var tokenizer = ByteLevelBpe.FromFile(path);
        Assert.Multiple(() =>
        {
            foreach (var (name, id) in new[]
            {
                ("<|begin_of_text|>", 128_000), ("<|start_header_id|>", 128_006), ("<|end_header_id|>", 128_007), ("<|eot_id|>", 128_009),
                ("<|TEXT_UNDERSTANDING_START|>", 128_258), (SpeechTokens.StartToken, 128_260), (SpeechTokens.EndToken, 128_261), ("<|s_0|>", 128_264), ("<|s_65535|>", 193_799),
            })
            {
                Assert.That(tokenizer.TryGetId(name, out var found) ? found : -1, Is.EqualTo(id), name);
            }

            Assert.That(tokenizer.VocabularySize, Is.EqualTo(193_800));
            Assert.That(tokenizer.Decode(tokenizer.Encode("Grüße, 12 dogs")), Is.EqualTo("Grüße, 12 dogs"));
        });
    }

    [Test]
    public void WrongArguments_AreOneLine()
    {
        File.WriteAllText(Path.Combine(Folder, "full"), "x");
        Assert.Multiple(() =>
        {
            Assert.That(LlasaRunner.Run("dev", "random-checkpoint", "voice", Path.Combine(Folder, "x")).Error, Does.Contain("kind: `voice` is not one of policy, codec, recogniser"));
            Assert.That(LlasaRunner.Run("dev", "random-checkpoint", "policy", Path.Combine(Folder, "x"), "--like", "gpt").Error, Does.Contain("`gpt` is not one of llasa-1b"));
            Assert.That(LlasaRunner.Run("dev", "random-checkpoint", "policy", Path.Combine(Folder, "x"), "--dtype", "q8").Error, Does.Contain("--dtype: `q8` is not one of f32, f16, bf16"));
            Assert.That(LlasaRunner.Run("dev", "random-checkpoint", "policy", Folder).Error, Does.Contain("is there and not an empty directory"));
            Assert.That(Directory.Exists(Path.Combine(Folder, "x")), Is.False);
            var small = Write("small.json", PublicShapes.Config(ModelKind.Policy, "llasa-1b"), ("vocab_size", 100), ("num_hidden_layers", 1));
            Assert.That(LlasaRunner.Run("dev", "random-checkpoint", "policy", Path.Combine(Folder, "x"), "--like", small).Error, Does.Contain("vocab_size 100: expected at least 270"));
            Assert.That(Directory.Exists(Path.Combine(Folder, "x")), Is.False, "nothing is left");
        });
    }

    private string Make(string name, string kind, string config, params string[] more)
    {
        var directory = Path.Combine(Folder, name);
        LlasaRunner.RunWell(["dev", "random-checkpoint", kind, directory, "--like", config, .. more]);
        return directory;
    }

    private string Write(string name, JsonObject config, params ReadOnlySpan<(string Field, int Value)> changes)
    {
        foreach (var (field, value) in changes)
        {
            config[field] = value;
        }

        var path = Path.Combine(Folder, name);
        File.WriteAllText(path, config.ToJsonString());
        return path;
    }
}
