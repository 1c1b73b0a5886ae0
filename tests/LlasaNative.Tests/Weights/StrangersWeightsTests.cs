using System.Buffers.Binary;
using System.Text;
using LlasaNative.Audio;
using LlasaNative.Data;
using LlasaNative.Tests.Support;
using LlasaNative.Text;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Weights;

/// <summary>Weight files as other people's programs leave them.</summary>
public class StrangersWeightsTests
{
    private const string Index = "model.safetensors.index.json";
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void SetUp()
    {
        _directory = new TemporaryDirectory();
        _directory.Write("config.json", "{}");
    }

    [TearDown]
    public void TearDown() => _directory.Dispose();

    [Test]
    public void ATensorNobodyReads_MayHaveAnyDtype([Values("F8_E4M3", "F8_E8M0", "F4", "U16", "I4", "BOOL", "C64", "Q9")] string dtype)
    {
        int bytes = dtype is "U16" ? 4 : 2;
        WriteRaw("model.safetensors", $$$"""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"odd":{"dtype":"{{{dtype}}}","shape":[2],"data_offsets":[4,{{{4 + bytes}}}]}}""", 4 + bytes);
        using HuggingFaceDirectory model = HuggingFaceDirectory.Open(_directory.Path);
        Assert.Multiple(() =>
        {
            Assert.That(model.ReadFloats("a"), Is.EqualTo([0f]));
            Assert.That(model.GetInfo("odd").ToString(), Is.EqualTo($"odd {dtype} [2]"));
            Assert.That(model.RequireFinite, Throws.Nothing);
            Assert.That(() => model.Require("odd", 2), Throws.TypeOf<ModelFileException>().With.Message.Contains(dtype).And.Message.Contains("expected F32"));
            Assert.That(() => model.ReadFloats("odd"), Throws.TypeOf<ModelFileException>().With.Message.Contains(dtype));
        });
    }

    [TestCase("""{"__metadata__":null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")]
    [TestCase("""{"__metadata__":{"format":"pt","n":3,"x":{"y":[1,{}]},"n":null,"format":"np"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")]
    [TestCase("""{"__metadata__":[{"a":1}],"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")]
    [TestCase("""{"__metadata__":{"best_loss":Infinity,"x":[NaN]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"note":-Infinity}}""")]
    [TestCase("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"note":{"by":["me"]}}}""")]
    [TestCase("""{"none":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"end":{"dtype":"I64","shape":[7,0],"data_offsets":[4,4]}}""")]
    public void MetadataAndEmptyTensors_OfAnyKind_AreNoFault(string header)
    {
        WriteRaw("model.safetensors", header, 4);
        using HuggingFaceDirectory model = HuggingFaceDirectory.Open(_directory.Path);
        Assert.That(model.ReadFloats("a"), Is.EqualTo([0f]));
    }

    [Test]
    public void AnIndexThatPutsATensorInAnotherShard_LoadsWithAWarning()
    {
        Write("one.safetensors", "a", 1);
        Write("two.safetensors", "b", 2);
        Write("left-out.safetensors", "c", 3);
        _directory.Write(Index, """{"metadata":{"total_size":"much"},"weight_map":{"a":"two.safetensors","b":"one.safetensors","c":"one.safetensors"}}""");
        using Warnings warnings = new Warnings(_directory.Path).Listen();
        using HuggingFaceDirectory model = HuggingFaceDirectory.Open(_directory.Path);
        Assert.Multiple(() =>
        {
            Assert.That(new[] { "a", "b", "c" }.Select(n => model.ReadFloats(n)[0]), Is.EqualTo([1f, 2f, 3f]));
            Assert.That(warnings.Texts, Has.One.Contains("`a` is not in two.safetensors but in one.safetensors, and 2 more"));
        });
    }

    [Test]
    public void AnIndexThatNamesMoreThanIsThere_LoadsUntilSomebodyNeedsIt()
    {
        Write("one.safetensors", "a", 1);
        _directory.Write("pointer.safetensors", "version https://git-lfs.github.com/spec/v1\n");
        _directory.Write(Index, """{"weight_map":{"a":"one.safetensors","gone":"two.safetensors","small":"pointer.safetensors","never":"one.safetensors"}}""");
        using Warnings warnings = new Warnings(_directory.Path).Listen();
        using HuggingFaceDirectory model = HuggingFaceDirectory.Open(_directory.Path);
        Assert.Multiple(() =>
        {
            Assert.That(model.ReadFloats("a"), Is.EqualTo([1f]));
            Assert.That(model.Tensors, Has.Count.EqualTo(1));
            Assert.That(() => model.ReadFloats("gone"), Throws.TypeOf<ModelFileException>().With.Message.Contains("two.safetensors").And.Message.Contains("no such file"));
            Assert.That(() => model.ReadFloats("small"), Throws.TypeOf<ModelFileException>().With.Message.Contains("pointer.safetensors"));
            Assert.That(() => model.Require("never", 1), Throws.TypeOf<ModelFileException>().With.Property("Field").EqualTo("never"));
            Assert.That(warnings.Texts, Has.Some.Contains("two.safetensors").And.Some.Contains("pointer.safetensors"));
        });
    }

    [Test]
    public void ATensorTheIndexForgets_IsFoundInItsShard()
    {
        Write("one.safetensors", "a", 1);
        Write("two.safetensors", "b", 2);
        _directory.Write(Index, """{"weight_map":{"x":"one.safetensors","b":"two.safetensors"}}""");
        using HuggingFaceDirectory model = HuggingFaceDirectory.Open(_directory.Path);
        Assert.That(model.ReadFloats("a"), Is.EqualTo([1f]));
    }

    [Test]
    public void AShardInASubfolder_IsFound_AndOneOutsideRefused()
    {
        Directory.CreateDirectory(_directory.File("weights"));
        Write("weights/one.safetensors", "a", 1);
        _directory.Write(Index, """{"weight_map":{"a":"weights/one.safetensors"}}""");
        using (HuggingFaceDirectory model = HuggingFaceDirectory.Open(_directory.Path))
        {
            Assert.That(model.ReadFloats("a"), Is.EqualTo([1f]));
        }

        _directory.Write(Index, """{"weight_map":{"a":"weights/../../one.safetensors"}}""");
        Assert.That(() => HuggingFaceDirectory.Open(_directory.Path), Throws.TypeOf<ModelFileException>().With.Message.Contains("same directory"));
    }

    private void Write(string file, string name, float value)
    {
        using SafeTensorsWriter writer = new(_directory.File(file), [new TensorInfo(name, TensorType.F32, 1)]);
        writer.Write(name, [value]);
        writer.Complete();
    }

    private void WriteRaw(string file, string header, int dataBytes)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] bytes = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, json.Length);
        json.CopyTo(bytes, 8);
        _directory.Write(file, bytes);
    }

    // Half ends at 65504; bfloat16 at 3.3895e38, a little before float32.
    [TestCase(TensorType.F16, 70000f, "70000", "65504", "BF16")]
    [TestCase(TensorType.F16, -65505f, "65505", "65504", "BF16")]
    [TestCase(TensorType.BF16, float.MaxValue, "3.4028235E+38", "3.38953", "BF16")]
    [TestCase(TensorType.F16, float.NaN, "NaN", "holds", "NaN")]
    [TestCase(TensorType.BF16, float.PositiveInfinity, "Infinity", "holds", "Infinity")]
    public void AWeightBeyondItsNewType_IsRefusedByNameAndSize(TensorType type, float value, string found, string limit, string more)
    {
        using TemporaryDirectory directory = new();
        using SafeTensorsWriter writer = new(directory.File("model.safetensors"), [new TensorInfo("lm_head.weight", type, 3)]);
        var error = Assert.Throws<ModelFileException>(() => writer.Write("lm_head.weight", [1, value, -2]));
        Assert.That(error!.Message, Does.Contain("lm_head.weight").And.Contains(found).And.Contains(limit).And.Contains(more));
    }

    [TestCase(TensorType.F16, 65504f)]
    [TestCase(TensorType.BF16, 70000f)]
    public void AWeightThatJustFits_IsWritten(TensorType type, float value)
    {
        using TemporaryDirectory directory = new();
        using (SafeTensorsWriter writer = new(directory.File("model.safetensors"), [new TensorInfo("a", type, 1)]))
        {
            writer.Write("a", [value]);
            writer.Complete();
        }

        using var file = SafeTensorsFile.Open(directory.File("model.safetensors"));
        Assert.That(file.ReadFloats("a")[0], Is.EqualTo(value).Within(value / 256));
    }

    [Test]
    public void ADoubleBeyondFloat32_IsRefused_NotReadAsInfinity()
    {
        using TemporaryDirectory directory = new();
        using (SafeTensorsWriter writer = new(directory.File("model.safetensors"), [new TensorInfo("a", TensorType.F64, 1)]))
        {
            writer.WriteBytes("a", BitConverter.GetBytes(1e300));
            writer.Complete();
        }

        using var file = SafeTensorsFile.Open(directory.File("model.safetensors"));
        Assert.That(() => file.ReadFloats("a"), Throws.TypeOf<ModelFileException>().With.Message.Contains("beyond the range of F32"));
    }

    [TestCase("model.gguf", "GGUF\u0003", "GGUF file of llama.cpp")]
    [TestCase("ggml-base.bin", "lmgg\u0001", "ggml file of whisper.cpp")]
    [TestCase("pytorch_model.bin", "PK\u0003\u0004", "PyTorch checkpoint")]
    [TestCase("model.safetensors", "\u0008", "single safetensors file")]
    public void IGiveAFileForAModel_AndAmToldWhatItIs(string name, string content, string kind)
    {
        using TemporaryDirectory directory = new();
        var path = directory.Write(name, content);
        Assert.That(() => HuggingFaceDirectory.Open(path), Throws.TypeOf<ModelFileException>().With.Message.Contains(kind).And.Message.Contains("expected a Hugging Face directory"));
    }

    [TestCase("pytorch_model.bin", "PK\u0003\u0004", "safe_serialization")]
    [TestCase("pytorch_model-00001-of-00002.bin", "PK\u0003\u0004", "PyTorch checkpoint")]
    [TestCase("tf_model.h5", "x", "TensorFlow")]
    [TestCase("flax_model.msgpack", "x", "Flax")]
    public void MyModelIsNotSavedAsSafetensors_AndIAmToldHowToConvertIt(string name, string content, string advice)
    {
        using TemporaryDirectory directory = new();
        directory.Write("config.json", "{}");
        directory.Write(name, content);
        Assert.That(() => HuggingFaceDirectory.Open(directory.Path), Throws.TypeOf<ModelFileException>().With.Message.Contains(advice).And.Message.Contains(name));
    }

    [TestCase("_orig_mod.model.norm.weight")]
    [TestCase("norm.weight")]
    public void MyModelWasSavedInsideItsWrapper_AndIAmTold(string stored)
    {
        using TemporaryDirectory directory = new();
        directory.Write("config.json", "{}");
        using (SafeTensorsWriter writer = new(directory.File("model.safetensors"), [new TensorInfo(stored, TensorType.F32, 1)]))
        {
            writer.Write(stored, [1f]);
            writer.Complete();
        }

        using var model = HuggingFaceDirectory.Open(directory.Path);
        Assert.That(() => model.FileOf("model.norm.weight"), Throws.TypeOf<ModelFileException>().With.Message.Contains($"no such tensor, but a `{stored}`"));
        Assert.That(() => model.FileOf("model.up.weight"), Throws.TypeOf<ModelFileException>().With.Message.EndsWith("no such tensor"));
    }

    [TestCase("generation_config.json", "{\"num_beams\":5,\"repetition_penalty\":1.0,\"do_sample\":false}", "`num_beams`: passed over")]
    [TestCase("config.json", "{\"repetition_penalty\":1.2,\"no_repeat_ngram_size\":3,\"do_sample\":true}", "`repetition_penalty`, `no_repeat_ngram_size`, `do_sample`: passed over")]
    [TestCase("generation_config.json", "{\"num_beams\":1,\"repetition_penalty\":1,\"no_repeat_ngram_size\":0,\"do_sample\":null}", null)]
    [TestCase("generation_config.json", """{"bad_words_ids":[[5]],"sequence_bias":[[[5],-10.0]],"min_new_tokens":4}""", "`min_new_tokens`, `bad_words_ids`, `sequence_bias`: passed over")]
    [TestCase("generation_config.json", """{"bad_words_ids":[],"min_length":0,"forced_eos_token_id":null,"exponential_decay_length_penalty":null,"guidance_scale":null}""", null)]
    [TestCase("generation_config.json", """{"max_length":225}""", "`max_length`: passed over, transcripts are greedy here and as long as the model allows")]
    [TestCase("generation_config.json", """{"max_length":448,"max_new_tokens":null}""", null)]
    public void MyGenerationConfigAsksForBeams_AndIAmToldThatTranscriptsAreGreedy(string name, string content, string? warning)
    {
        using TemporaryDirectory directory = new();
        using var warnings = new Warnings(directory.Path).Listen();
        directory.Write(name, content);
        Assert.That(WhisperGenerationConfig.FromDirectory(directory.Path).EosTokenIds, Is.Empty);
        Assert.That(warnings.Texts, warning is null ? Is.Empty : Has.One.Contains(warning));
    }

    [TestCase("model.safetensors")]
    [TestCase("config.json")]
    [TestCase("tokenizer.json")]
    [TestCase("a.wav")]
    [TestCase("a.parquet")]
    [TestCase("a.jsonl")]
    [TestCase("a.csv")]
    [TestCase("a.txt")]
    public void MyRepositoryWasClonedWithoutGitLfs_AndIAmTold(string name)
    {
        using TemporaryDirectory directory = new();
        directory.Write("config.json", "{}");
        string path = directory.Write(name, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n");
        Action read = name switch
        {
            "model.safetensors" => () => HuggingFaceDirectory.Open(directory.Path).Dispose(),
            "config.json" => () => LlamaConfig.FromFile(path),
            "tokenizer.json" => () => ByteLevelBpe.FromDirectory(directory.Path),
            "a.wav" => () => SoundFile.Read(path),
            _ => () => PromptSet.Read(DataFiles.Find(path), faults: RowFaults.Skip),
        };
        Assert.That(() => read(), Throws.InstanceOf<LlasaException>().With.Message.StartsWith($"{path}: is Git LFS's pointer to the file and not the file").And.Message.Contains("git lfs pull"));
    }

    [TestCase(new[] { "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors" }, "only `model-00001-of-00002.safetensors` and 1 more: ")]
    [TestCase(new[] { "consolidated.safetensors", "pytorch_model.bin" }, "only `consolidated.safetensors`: ")]
    public void MyShardsCameWithoutTheirIndex_AndIAmToldWhatIsMissing(string[] names, string expected)
    {
        using TemporaryDirectory directory = new();
        Array.ForEach(names, name => directory.Write(name, "x"));
        directory.Write("config.json", "{}");
        Assert.That(() => HuggingFaceDirectory.Open(directory.Path), Throws.TypeOf<ModelFileException>().With.Message.Contains(expected).And.Message.Contains($"several lies {Index}"));
    }

    [Test]
    public void IGiveAnAdapterWhereAModelIsNeeded_AndAmToldSo()
    {
        using TemporaryDirectory directory = new();
        directory.Write("adapter_config.json", "{}");
        Assert.That(() => HuggingFaceDirectory.Open(directory.Path), Throws.TypeOf<ModelFileException>().With.Message.Contains("LoRA adapter"));
    }

    [TestCase("bitsandbytes", "{\"model_type\":\"llama\",\"quantization_config\":{\"quant_method\":\"bitsandbytes\",\"load_in_4bit\":true}}")]
    [TestCase("a method without a name", "{\"model_type\":\"llama\",\"quantization_config\":{\"bits\":4}}")]
    public void MyModelIsQuantised_AndIAmToldWhatToDo(string method, string config)
    {
        using TemporaryDirectory directory = new();
        Assert.That(() => LlamaConfig.FromFile(directory.Write("config.json", config)), Throws.TypeOf<ModelFileException>()
            .With.Property("Field").EqualTo("quantization_config").And.Message.Contains($"quantised by {method} are not supported").And.Message.Contains("dequantize"));
        Assert.That(() => LlamaConfig.FromFile(directory.Write("config.json", "{\"model_type\":\"llama\",\"quantization_config\":null}")),
            Throws.TypeOf<ModelFileException>().With.Property("Field").EqualTo("hidden_size"), "null is none");
    }

    [Test]
    public void IGiveARecogniserForAPolicy_AndTheOtherWayRound_AndAmToldSo()
    {
        using TemporaryDirectory directory = new();
        var whisper = directory.Write("w.json", "{\"model_type\":\"whisper\",\"architectures\":[\"WhisperForConditionalGeneration\"]}");
        var llama = directory.Write("l.json", "{\"model_type\":\"llama\"}");
        Assert.Multiple(() =>
        {
            Assert.That(() => LlamaConfig.FromFile(whisper), Throws.TypeOf<ModelFileException>().With.Message.Contains("this is a Whisper recogniser, not a Llama policy"));
            Assert.That(() => WhisperConfig.FromFile(llama), Throws.TypeOf<ModelFileException>().With.Message.Contains("this is a Llama policy, not a Whisper recogniser"));
            Assert.That(() => Xcodec2Config.FromFile(llama), Throws.TypeOf<ModelFileException>().With.Message.Contains("this is a Llama policy, not an X-Codec2 codec"));
        });
    }
}
