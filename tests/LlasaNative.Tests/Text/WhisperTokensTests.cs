using System.Text;
using LlasaNative.Tests.Support;
using LlasaNative.Text;
using LlasaNative.Weights;
using static LlasaNative.Tests.Text.TokenizerFixtures;

namespace LlasaNative.Tests.Text;

public class WhisperTokensTests
{
    private static readonly WhisperConfig Config = new()
    {
        HiddenSize = 8, EncoderLayers = 1, DecoderLayers = 1, EncoderHeads = 1, DecoderHeads = 1, EncoderIntermediateSize = 8,
        DecoderIntermediateSize = 8, VocabularySize = 270, MelBins = 80, MaxSourcePositions = 150, MaxTargetPositions = 64,
        DecoderStartTokenId = 257, EosTokenId = 256,
    };

    private static readonly string[] Names =
        ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|yue|>", "<|translate|>", "<|transcribe|>", "<|nospeech|>", "<|notimestamps|>"];

    [Test]
    public void Find_ReadsTheAddedTokens()
    {
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names), Config, WhisperGenerationConfig.Empty);
        Assert.Multiple(() =>
        {
            Assert.That(tokens.EndOfText, Is.EqualTo(256));
            Assert.That(tokens.Languages, Is.EquivalentTo(new Dictionary<string, int> { ["en"] = 258, ["yue"] = 259 }));
            Assert.That(tokens.SeedPrompt(), Is.EqualTo([257]));
            Assert.That(tokens.FullPrompt("en"), Is.EqualTo([257, 258, 261, 263]));
            Assert.That(tokens.TimestampBegin, Is.EqualTo(264));
            Assert.That(tokens.NoSpeech, Is.EqualTo(262));
            Assert.That(() => tokens.FullPrompt("xx"), Throws.TypeOf<UsageException>().With.Message.Contains("`xx`"));
        });
    }

    [Test]
    public void Find_PrefersTheGenerationConfig()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("generation_config.json", """
            {"lang_to_id":{"<|ko|>":258},"task_to_id":{"transcribe":260},"no_timestamps_token_id":261,"suppress_tokens":[3,-1],"begin_suppress_tokens":[4,256]}
            """);
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names[..3]), Config, WhisperGenerationConfig.FromFile(path));
        Assert.That(tokens.FullPrompt("ko"), Is.EqualTo([257, 258, 260, 261]));
        Assert.That(tokens.SuppressTokens, Is.EqualTo([3]));
        Assert.That(tokens.BeginSuppressTokens, Is.EqualTo([4, 256]));
        Assert.That(() => tokens.Language("en"), Throws.TypeOf<UsageException>());
    }

    [Test]
    public void Find_WithoutTasks_StillHasTheSeedPrompt()
    {
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names[..3]), Config, WhisperGenerationConfig.Empty);
        Assert.That(tokens.SeedPrompt(), Is.EqualTo([257]));
        Assert.That(() => tokens.FullPrompt("en"), Throws.TypeOf<UsageException>());
    }

    [Test]
    public void Find_WithIdsOutsideTheModel_IsRefused() => Assert.That(
        () => WhisperTokens.Find(Tokenizer(Names), Config with { VocabularySize = 260 }, WhisperGenerationConfig.Empty),
        Throws.TypeOf<ModelFileException>().With.Message.Contains("vocabulary of 260"));

    private static ByteLevelBpe Tokenizer(string[] names) =>
        ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(Json([], [.. names.Select((n, i) => Added(256 + i, n))])), "tokenizer.json");
}
