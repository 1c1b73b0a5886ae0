using LlasaNative.Tests.Support;
using LlasaNative.Text;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Text;

/// <summary>The shipped models, as the readers see them.</summary>
public class TinyWorldTests
{
    [Test]
    public void Policy_HasLlasasTokensAndItsPrompt()
    {
        using HuggingFaceDirectory model = HuggingFaceDirectory.Open(Find("policy", "policy_sft"));
        LlamaConfig config = LlamaConfig.FromFile(model.ConfigPath);
        ByteLevelBpe tokenizer = ByteLevelBpe.FromDirectory(model.Path);
        LlasaPrompt prompt = LlasaPrompt.Create(tokenizer);
        model.RequireFinite();
        Assert.Multiple(() =>
        {
            Assert.That(tokenizer.VocabularySize, Is.LessThanOrEqualTo(config.VocabularySize));
            Assert.That(prompt.Speech.Offset + prompt.Speech.Count, Is.LessThanOrEqualTo(config.VocabularySize));
            Assert.That(config.EosTokenIds, Does.Contain(prompt.Speech.End));
            Assert.That(prompt.Encode("a big dog")[0], Is.EqualTo(config.BosTokenId));
            Assert.That(tokenizer.Decode(prompt.Encode("a big dog")), Does.Contain("<|TEXT_UNDERSTANDING_START|>a big dog<|TEXT_UNDERSTANDING_END|>"));
        });
    }

    [Test]
    public void Recogniser_HasAnEndAndAStart()
    {
        using HuggingFaceDirectory model = HuggingFaceDirectory.Open(Find("whisper", "recogniser"));
        WhisperConfig config = WhisperConfig.FromFile(model.ConfigPath);
        WhisperTokens tokens = WhisperTokens.Find(
            ByteLevelBpe.FromDirectory(model.Path), config, WhisperGenerationConfig.FromDirectory(model.Path));
        Assert.That((tokens.EndOfText, tokens.StartOfTranscript), Is.EqualTo((config.EosTokenIds.Single(), config.DecoderStartTokenId!.Value)));
    }

    [Test]
    public void Codec_HasAsManyCodesAsThePolicySpeaks()
    {
        using HuggingFaceDirectory codec = HuggingFaceDirectory.Open(Find("xcodec2", "codec"));
        Xcodec2Config config = Xcodec2Config.FromDirectory(codec);
        ByteLevelBpe tokenizer = ByteLevelBpe.FromFile(Path.Combine(Find("policy", "policy_sft"), "tokenizer.json"));
        Assert.That(SpeechTokens.Find(tokenizer).Count, Is.EqualTo(config.CodeCount));
        Assert.That(config.HopLength, Is.EqualTo(320));
    }

    /// <summary>assets/tiny once it is shipped, else the prototype beside the oracle.</summary>
    private static string Find(string name, string prototype)
    {
        string[] places =
        [
            Path.Combine(OracleData.RepositoryRoot, "assets", "tiny", name),
            Path.Combine(Environment.GetEnvironmentVariable("LLASA_ORACLE") ?? "none", "..", "tinyworld", "models", prototype),
            Path.Combine(OracleData.RepositoryRoot, "..", "shared", "tinyworld", "models", prototype),
        ];
        string? found = places.FirstOrDefault(Directory.Exists);
        if (found is null)
        {
            Assert.Ignore($"SKIPPED: neither assets/tiny/{name} nor the prototype {prototype} is there");
        }

        return found;
    }
}
