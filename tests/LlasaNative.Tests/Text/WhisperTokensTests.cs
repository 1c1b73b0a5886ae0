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
        DecoderStartTokenId = 257, EosTokenIds = [256],
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

    [TestCase(null)]
    [TestCase("""{"eos_token_id":[260],"decoder_start_token_id":261,"suppress_tokens":[1],"begin_suppress_tokens":null}""")]
    public void MyOldWhisperHasNoGenerationConfig_ThenItsConfigSaysWhatIsSuppressed(string? generation)
    {
        using TemporaryDirectory directory = new();
        directory.Write("config.json", """
            {"model_type":"whisper","suppress_tokens":[3,7,-1],"begin_suppress_tokens":[4,256],"forced_decoder_ids":[[1,258]],"eos_token_id":256,"decoder_start_token_id":257}
            """);
        if (generation is not null)
        {
            directory.Write("generation_config.json", generation);
        }

        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names), Config, WhisperGenerationConfig.FromDirectory(directory.Path));
        Assert.Multiple(() =>
        {
            Assert.That(tokens.SuppressTokens, Is.EqualTo(generation is null ? new[] { 3, 7 } : [1]));
            Assert.That(tokens.BeginSuppressTokens, Is.EqualTo(generation is null ? new[] { 4, 256 } : []), "one file or the other, not both");
            Assert.That((tokens.EndOfText, tokens.StartOfTranscript), Is.EqualTo(generation is null ? (256, 257) : (260, 261)), "configs go before the tokenizer");
        });
    }

    [Test]
    public void MyGenerationConfigListsSeveralEnds_AndAllOfThemEnd()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("generation_config.json", """{"eos_token_id":[265,256,265]}""");
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names), Config, WhisperGenerationConfig.FromFile(path));
        Assert.That(tokens.EndOfText, Is.EqualTo(256), "the tokenizer's own stands at the end of texts");
        Assert.That(tokens.OtherEnds, Is.EqualTo([265]));
        WhisperTokens fromConfig = WhisperTokens.Find(Tokenizer(Names), Config with { EosTokenIds = [265, 264] }, WhisperGenerationConfig.Empty);
        Assert.That((fromConfig.EndOfText, fromConfig.OtherEnds.Single()), Is.EqualTo((265, 264)));
        Assert.That(
            () => WhisperTokens.Find(Tokenizer(Names), Config with { EosTokenIds = [256, 270] }, WhisperGenerationConfig.Empty),
            Throws.TypeOf<ModelFileException>().With.Message.Contains("270"));
        WhisperVocabulary vocabulary = new(Tokenizer(Names), tokens with { OtherEnds = [97] }, Config.VocabularySize);
        Assert.That(vocabulary.Words([96, 97, 98]), Is.EqualTo(Tokenizer(Names).Decode([96, 98])), "an end is no text");
    }

    [Test]
    public void MyLanguagesAreScattered_AndOnlyThoseListedAreLanguages()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("generation_config.json", """{"lang_to_id":{"<|ko|>":269,"<|en|>":258,"<|de|>":12}}""");
        WhisperTokens listed = WhisperTokens.Find(Tokenizer(Names), Config, WhisperGenerationConfig.FromFile(path));
        Assert.That(listed.Languages, Is.EquivalentTo(new Dictionary<string, int> { ["ko"] = 269, ["en"] = 258, ["de"] = 12 }));
        string[] names = ["<|endoftext|>", "<|de|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|ko|>"];
        WhisperTokens found = WhisperTokens.Find(Tokenizer(names), Config with { DecoderStartTokenId = 258 }, WhisperGenerationConfig.Empty);
        Assert.That(found.Languages, Is.EquivalentTo(new Dictionary<string, int> { ["de"] = 257, ["en"] = 259, ["ko"] = 262 }), "before and behind the start");
    }

    [Test]
    public void MyConfigForcesALanguageAndATranslation_WhichTheLanguageAndTaskAskedForReplace()
    {
        // Transformers passes forced_decoder_ids over where language or task are given, as they always are here.
        using TemporaryDirectory directory = new();
        string path = directory.Write("generation_config.json", """{"forced_decoder_ids":[[1,259],[2,260],[3,null]]}""");
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names), Config, WhisperGenerationConfig.FromFile(path));
        Assert.That(tokens.FullPrompt("en"), Is.EqualTo([257, 258, 261, 263]));
    }

    [Test]
    public void MyConfigsNameNoEnd_ThenTheTokenizerDoes_OrItIsRefused()
    {
        WhisperConfig unnamed = Config with { EosTokenIds = [], DecoderStartTokenId = null };
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names), unnamed, WhisperGenerationConfig.Empty);
        Assert.That((tokens.EndOfText, tokens.StartOfTranscript), Is.EqualTo((256, 257)));
        Assert.That(
            () => WhisperTokens.Find(Tokenizer(Names[2..]), unnamed, WhisperGenerationConfig.Empty),
            Throws.TypeOf<ModelFileException>().With.Property("Field").EqualTo("decoder_start_token_id"));
    }

    [Test]
    public void Find_WithoutTasks_StillHasTheSeedPrompt()
    {
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names[..3]), Config, WhisperGenerationConfig.Empty);
        Assert.That(tokens.SeedPrompt(), Is.EqualTo([257]));
        Assert.That(() => tokens.FullPrompt("en"), Throws.TypeOf<UsageException>());
    }

    [TestCase("""{"is_multilingual":false}""", 270)]
    [TestCase("""{"is_multilingual":false,"task_to_id":{"transcribe":261}}""", 270)]
    [TestCase("{}", 51864)]
    public void AnEnglishOnlyWhisper_IsAskedWithoutLanguageAndTask(string generation, int vocabulary)
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("generation_config.json", generation);
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names), Config with { VocabularySize = vocabulary }, WhisperGenerationConfig.FromFile(path));
        Assert.Multiple(() =>
        {
            Assert.That(tokens.IsMultilingual, Is.False);
            Assert.That(tokens.FullPrompt("en"), Is.EqualTo([257, 263]));
            Assert.That(tokens.FullPrompt("English"), Is.EqualTo([257, 263]));
            Assert.That(tokens.SeedPrompt(), Is.EqualTo([257]));
            Assert.That(tokens.Languages, Is.Empty);
            Assert.That(tokens.NoSpeech, Is.EqualTo(262));
            Assert.That(() => tokens.FullPrompt("de"), Throws.TypeOf<UsageException>().With.Message.Contains("`de`").And.Message.Contains("English-only"));
        });
    }

    [Test]
    public void AWhisperSaidToBeMultilingual_IsOne_WhateverItsSize()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("generation_config.json", """{"is_multilingual":true}""");
        WhisperTokens tokens = WhisperTokens.Find(Tokenizer(Names), Config with { VocabularySize = 51864 }, WhisperGenerationConfig.FromFile(path));
        Assert.That(tokens.FullPrompt("en"), Is.EqualTo([257, 258, 261, 263]));
    }

    [Test]
    public void TheNoTimestampsToken_IsFoundInTheTokenizer_AndLeftOutWhereThereIsNone()
    {
        using TemporaryDirectory directory = new();
        string path = directory.Write("generation_config.json", """{"lang_to_id":{"<|en|>":258},"task_to_id":{"transcribe":261}}""");
        var generation = WhisperGenerationConfig.FromFile(path);
        Assert.That(WhisperTokens.Find(Tokenizer(Names), Config, generation).FullPrompt("en"), Is.EqualTo([257, 258, 261, 263]));
        Assert.That(WhisperTokens.Find(Tokenizer(Names[..7]), Config, generation).FullPrompt("en"), Is.EqualTo([257, 258, 261]));
    }

    [Test]
    public void TheTokensOfOpenAisEnglishOnlyModels_StandOneEarlier()
    {
        var tokens = WhisperTokens.Standard(51864);
        Assert.That(tokens.FullPrompt("en"), Is.EqualTo([50257, 50362]));
        Assert.That((tokens.EndOfText, tokens.NoSpeech, tokens.TimestampBegin), Is.EqualTo((50256, (int?)50361, (int?)50363)));
        Assert.That(() => WhisperTokens.Standard(51865).Language("yue"), Throws.TypeOf<UsageException>().With.Message.Contains("99"));
        Assert.That(WhisperTokens.Standard(51866).Language("yue"), Is.EqualTo(50358));
    }

    [Test]
    public void TimestampsAndSpecialTokens_AreNoText()
    {
        string json = Json([], [
            .. Names.Select((n, i) => Added(256 + i, n)), .. new[] { "<|0.00|>", "<|29.98|>", "zyzzyva" }.Select((n, i) => Added(264 + i, n).Replace("\"special\":true", "\"special\":false", StringComparison.Ordinal)),
        ]);
        var tokenizer = ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(json), "tokenizer.json");
        WhisperVocabulary vocabulary = new(tokenizer, WhisperTokens.Find(tokenizer, Config, WhisperGenerationConfig.Empty), Config.VocabularySize);
        int[] hello = tokenizer.Encode("hel");
        int[] rest = tokenizer.Encode("lo ");
        // 268 and 269 have no token: timestamps of a tokenizer that ends before them.
        Assert.That(vocabulary.Words([264, .. hello, 265, 268, 258, 261, 263, .. rest, 266, 269, 257, 262, 256]), Is.EqualTo("hello zyzzyva"));
    }

    [Test]
    public void CharactersOfATranscript_AreLettersAndDigits_AndBracketsPromiseNothing()
    {
        string json = Json([], [.. Names.Select((n, i) => Added(256 + i, n))]);
        var tokenizer = ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(json), "tokenizer.json");
        WhisperVocabulary vocabulary = new(tokenizer, WhisperTokens.Find(tokenizer, Config, WhisperGenerationConfig.Empty), Config.VocabularySize);
        Assert.That(Of("a 1."), Is.EqualTo(new[] { 1, 0, 1, 0 }));
        Assert.That(Of("é一"), Is.EqualTo(new[] { 1, 0, 1, 0, 0 }), "a character of several ids counts with its first");
        Assert.That(Of("[(<"), Is.All.LessThan(-100_000));
        Assert.That(vocabulary.Characters[256..].ToArray(), Is.All.Zero, "what is no text");

        int[] Of(string text) => [.. vocabulary.Encode(text).Select(id => vocabulary.Characters[id])];
    }

    [Test]
    public void WordsWithTheirSpace_AreNotedApartFromTheSpaceAlone()
    {
        Assert.That(Vocabulary([], "[]").HasSpacedWords, Is.False);
        Assert.That(Vocabulary(["ĠĠ"], """[["Ġ","Ġ"]]""").HasSpacedWords, Is.False);
        Assert.That(Vocabulary(["Ġt"], """[["Ġ","t"]]""").HasSpacedWords, Is.True);

        static WhisperVocabulary Vocabulary(string[] extra, string merges)
        {
            var first = 256 + extra.Length;
            var tokenizer = ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(Json(extra, [.. Names.Select((n, i) => Added(first + i, n))], merges)), "tokenizer.json");
            return new WhisperVocabulary(tokenizer, WhisperTokens.Find(tokenizer, Config with { EosTokenIds = [first], DecoderStartTokenId = first + 1 }, WhisperGenerationConfig.Empty), Config.VocabularySize);
        }
    }

    [Test]
    public void Find_WithIdsOutsideTheModel_IsRefused() => Assert.That(
        () => WhisperTokens.Find(Tokenizer(Names), Config with { VocabularySize = 260 }, WhisperGenerationConfig.Empty),
        Throws.TypeOf<ModelFileException>().With.Message.Contains("vocabulary of 260"));

    private static ByteLevelBpe Tokenizer(string[] names) =>
        ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(Json([], [.. names.Select((n, i) => Added(256 + i, n))])), "tokenizer.json");
}
