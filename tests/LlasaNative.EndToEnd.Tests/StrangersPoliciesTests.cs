using System.Text.Json.Nodes;
using LlasaNative.Models;
using LlasaNative.Trainer;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>Policies as other programs leave them: the tiny one, with its weights or its config changed.</summary>
public sealed class StrangersPoliciesTests : TinyWorldTests
{
    private const string Embedding = "model.embed_tokens.weight";
    private const string Head = "lm_head.weight";
    private static readonly int[] Text = [256, 70, 71, 72, 300];

    [Test]
    public void MyFinetuneHasItsOwnHead_ThoughItsConfigSaysTied_KeepsTheHead()
    {
        var (tied, untied, plain) = (Copy("tied", OwnHead), Copy("untied", OwnHead, ("tie_word_embeddings", false)), Copy("plain", null));
        var export = Directory.CreateDirectory(Path.Combine(Folder, "export")).FullName;
        using (var policy = PolicyModel.Load(tied))
        {
            Assert.That(policy.Config.TieWordEmbeddings, Is.False);
            policy.Save(export, TensorType.F32);
        }

        var told = LlasaRunner.RunWell("inspect", tied);
        using var exported = HuggingFaceDirectory.Open(export);
        using var stored = HuggingFaceDirectory.Open(tied);
        Assert.Multiple(() =>
        {
            Assert.That(Logits(tied), Is.EqualTo(Logits(untied)), "the stored head is what it computes with");
            Assert.That(Logits(tied), Is.Not.EqualTo(Logits(plain)));
            Assert.That(Logits(export), Is.EqualTo(Logits(tied)));
            Assert.That(exported.ReadFloats(Head), Is.EqualTo(stored.ReadFloats(Head)));
            Assert.That(LlamaConfig.FromFile(exported.ConfigPath).TieWordEmbeddings, Is.False, "whoever loads the export must not tie it again");
            Assert.That(told.Output, Does.Contain("head untied"));
            Assert.That(told.Error, Does.Contain(Head).And.Contains("differs").And.Contains("tie_word_embeddings"));
            Assert.That(LlasaRunner.RunWell("inspect", "--memory", tied).Output, Is.EqualTo(LlasaRunner.RunWell("inspect", "--memory", untied).Output.Replace(untied, tied, StringComparison.Ordinal)));
            Assert.That(LlasaRunner.RunWell("inspect", "--memory", tied).Output, Is.Not.EqualTo(LlasaRunner.RunWell("inspect", "--memory", plain).Output.Replace(plain, tied, StringComparison.Ordinal)));
        });
    }

    [Test]
    public void MyCheckpointStoresTheTiedMatrixTwice_OrUnderTheHeadsName_LoadsTied()
    {
        var plain = Logits(Copy("plain", null));
        Assert.Multiple(() =>
        {
            foreach (var directory in new[] { Copy("twice", values => values), Copy("head", values => values, without: Embedding) })
            {
                using var policy = PolicyModel.Load(directory);
                Assert.That(policy.Config.TieWordEmbeddings, directory);
                Assert.That(Logits(directory), Is.EqualTo(plain), directory);
                Assert.That(LlasaRunner.RunWell("inspect", directory).Error, Does.Not.Contain("tie_word_embeddings"));
            }
        });
    }

    [Test]
    public void MyModelsAreFromBeforeTokenizerJson_AndAreUsedAndExportedAllTheSame()
    {
        const string Sentence = "the cat sat";
        var (old, export) = (Copy("old", null), Directory.CreateDirectory(Path.Combine(Folder, "export")).FullName);
        var ear = TinyModelCopy.Make(TinyWorld.Recogniser, Path.Combine(Folder, "ear"));
        TinyModelCopy.SplitTokenizer(old);
        TinyModelCopy.SplitTokenizer(ear);
        using var recogniser = NativeRecogniser.Load(TinyWorld.Recogniser);
        using var oldRecogniser = NativeRecogniser.Load(ear);
        Assert.That(oldRecogniser.EncodeTarget(Sentence), Is.EqualTo(recogniser.EncodeTarget(Sentence)));
        using var policy = PolicyModel.Load(TinyWorld.Policy);
        using (var oldPolicy = PolicyModel.Load(old))
        {
            Assert.That(oldPolicy.Prompt.Encode(Sentence), Is.EqualTo(policy.Prompt.Encode(Sentence)));
            oldPolicy.Save(export, TensorType.F32);
        }

        using var exported = PolicyModel.Load(export);
        Assert.That(exported.Prompt.Encode(Sentence), Is.EqualTo(policy.Prompt.Encode(Sentence)));
        Assert.That(LlasaRunner.RunWell("inspect", old).Output, Does.Contain("speech").And.Not.Contain("tokenizer"));
        Assert.That(LlasaRunner.RunWell("inspect", "--memory", old).Output, Is.EqualTo(LlasaRunner.RunWell("inspect", "--memory", TinyWorld.Policy).Output.Replace(TinyWorld.Policy, old, StringComparison.Ordinal)));
    }

    [Test]
    public void MyPolicyHasWeightsThatItsConfigDoesNotMention_AndIAmTold()
    {
        const string Bias = "model.layers.0.self_attn.q_proj.bias";
        var biased = TinyModelCopy.Make(TinyWorld.Policy, Path.Combine(Folder, "biased"), (Bias, "model.norm.weight", values => values));
        var tables = TinyModelCopy.Make(TinyWorld.Policy, Path.Combine(Folder, "tables"), ("model.layers.0.self_attn.rotary_emb.inv_freq", "model.norm.weight", values => values));
        Assert.That(Speak(biased), Does.Contain($"1 stored tensors have no place in the model that config.json describes and are passed over, as Transformers does: `{Bias}`"));
        Assert.That(Speak(tables), Does.Not.Contain("no place"));

        string Speak(string policy) => LlasaRunner.RunWell("speak", "a", "--policy", policy, "--out", Path.Combine(Folder, "a.wav")).Error;
    }

    [Test]
    public void IAddedALaughToMyTokenizer_AndMyModelHasARowForIt_OrTheTextIsRefused()
    {
        var size = LlamaConfig.FromFile(Path.Combine(TinyWorld.Policy, "config.json")).VocabularySize;
        var resized = TinyModelCopy.Make(
            TinyWorld.Policy, Path.Combine(Folder, "resized"), ("model.embed_tokens.weight", "model.embed_tokens.weight", values => [.. values, .. values.Take(values.Length / size)]), null, ("vocab_size", size + 1));
        var forgotten = TinyModelCopy.Make(TinyWorld.Policy, Path.Combine(Folder, "forgotten"));
        foreach (var policy in new[] { resized, forgotten })
        {
            File.WriteAllText(Path.Combine(policy, "added_tokens.json"), $$"""{"<laugh>":{{size}}}""");
        }

        var texts = Path.Combine(Folder, "texts.txt");
        File.WriteAllText(texts, "a dog\na <laugh> dog\n");
        using var model = PolicyModel.Load(resized);
        Assert.That(model.EncodePrompt("a <laugh> dog", 10).Count(id => id == size), Is.EqualTo(1));
        LlasaRunner.RunWell("speak", "a <laugh> dog", "--policy", resized, "--out", Path.Combine(Folder, "a.wav"));
        Assert.That(
            LlasaRunner.Run("train", "--policy", forgotten, "--data", texts, "--steps", "1", "--out", Path.Combine(Folder, "run")).Error,
            Does.Contain("texts.txt: line 2: the text holds `<laugh>`").And.Contains($"token {size} of the tokenizer; the policy has {size} (vocab_size)"));
    }

    [Test]
    public void MyRecogniserOrCodecHasMoreLayersThanItsConfigSays_AndIAmTold()
    {
        var wav = Path.Combine(Folder, "said.wav");
        LlasaRunner.RunWell("speak", "a", "--out", wav);
        var cut = TinyModelCopy.Make(TinyWorld.Recogniser, Path.Combine(Folder, "cut"), null, null, ("decoder_layers", 1));
        Assert.That(LlasaRunner.RunWell("score", "a", "--wav", wav, "--recogniser", cut).Error, Does.Contain("have no place in the model that config.json describes").And.Contains("model.decoder.layers.1."));
        Assert.That(LlasaRunner.RunWell("score", "a", "--wav", wav).Error, Is.Empty);

        var thin = TinyModelCopy.Make(TinyWorld.Codec, Path.Combine(Folder, "thin"), null, null, ("num_hidden_layers", 2));
        Assert.That(LlasaRunner.RunWell("speak", "a", "--codec", thin, "--out", wav).Error, Does.Contain("have no place in the model that config.json describes").And.Contains("decoder.layers.2."));
    }

    [Test]
    public void MyUntiedCheckpointLacksItsHead_IsRefusedWithAdvice()
    {
        var error = Assert.Throws<ModelFileException>(() => PolicyModel.Load(Copy("headless", null, ("tie_word_embeddings", null))).Dispose());
        Assert.That(error!.Message, Does.Contain(Head).And.Contains("tie_word_embeddings").And.Contains("set it to true"));
    }

    [Test]
    public void MyRecogniserHasAHeadOfItsOwn_IsRefusedByName()
    {
        const string WhisperEmbedding = "model.decoder.embed_tokens.weight";
        var other = TinyModelCopy.Make(TinyWorld.Recogniser, Path.Combine(Folder, "other"), ("proj_out.weight", WhisperEmbedding, OwnHead));
        var same = TinyModelCopy.Make(TinyWorld.Recogniser, Path.Combine(Folder, "same"), ("proj_out.weight", WhisperEmbedding, values => values), without: WhisperEmbedding);
        Assert.Multiple(() =>
        {
            Assert.That(Assert.Throws<ModelFileException>(() => NativeRecogniser.Load(other).Dispose())!.Message, Does.Contain("proj_out.weight").And.Contains("differs"));
            Assert.That(() => NativeRecogniser.Load(same).Dispose(), Throws.Nothing);
        });
    }

    [Test]
    public void MyPolicyHasAWeightThatF16CannotHold_IsNotExportedAsF16()
    {
        var large = TinyModelCopy.Make(TinyWorld.Policy, Path.Combine(Folder, "large"), ("model.norm.weight", "model.norm.weight", values => [.. values.Skip(1).Prepend(70000)]));
        var target = Directory.CreateDirectory(Path.Combine(Folder, "target")).FullName;
        using var policy = PolicyModel.Load(large);
        var error = Assert.Throws<ModelFileException>(() => policy.Save(target, TensorType.F16));
        Assert.Multiple(() =>
        {
            Assert.That(error!.Message, Does.Contain("model.norm.weight").And.Contains("70000").And.Contains("65504").And.Contains("BF16"));
            Assert.That(Directory.GetFileSystemEntries(target), Is.Empty, "nothing is written before");
            Assert.That(() => policy.Save(target, TensorType.BF16), Throws.Nothing);
        });
    }

    private static float[] OwnHead(float[] values) => [.. values.Select((v, i) => v + (i % 7 * 0.01f))];

    private static float[] Logits(string directory)
    {
        using var policy = PolicyModel.Load(directory);
        var logits = new float[Text.Length * policy.Config.VocabularySize];
        policy.Native.Logits(Text, logits);
        return logits;
    }

    /// <summary>The tiny policy with a head made of its embedding, without a tensor, with fields of its config set (null = removed).</summary>
    private string Copy(string name, Func<float[], float[]>? head, (string Name, JsonNode? Value)? field = null, string? without = null) =>
        TinyModelCopy.Make(TinyWorld.Policy, Path.Combine(Folder, name), head is null ? null : (Head, Embedding, head), without, field is { } f ? [f] : []);
}
