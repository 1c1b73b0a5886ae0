using System.Globalization;
using System.Text;
using LlasaNative.Tests.Support;
using LlasaNative.Text;
using static LlasaNative.Tests.Text.TokenizerFixtures;

namespace LlasaNative.Tests.Text;

/// <summary>Tokenizers of other people; expected ids are those of the tokenizers library (0.23).</summary>
public sealed class StrangersTokenizersTests
{
    // DeepSeek's way to cut.
    private const string Punctuation = """{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"[!-/][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s+(?!\\S)|\\s+"},"behavior":"Isolated","invert":false},"""
        + """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false}]}""";

    [TestCase("🎉ab", "␣🎉␣ab")]
    [TestCase("é🎉🎉𝔸b", "␣é␣🎉🎉␣𝔸b")]
    [TestCase("a👍🏽!", "␣a␣👍🏽!")]
    [TestCase("𝟏a", "␣𝟏a")]
    public void MyTokenizerCutsByAPatternOfItsOwn_AndEmojiStayWhole(string text, string expected)
    {
        // A space before each piece shows where it was cut.
        var tokenizer = Read([], Punctuation);
        Assert.That(tokenizer.Decode(tokenizer.Encode(text)).Replace(' ', '␣'), Is.EqualTo(expected));
    }

    [Test]
    public void EveryCharacterOutsideTheBasicPlane_IsStoodInForByOneOfItsCategory()
    {
        foreach (var category in Enum.GetValues<UnicodeCategory>())
        {
            if (Enumerable.Range(0x10000, 0x100000).Any(code => CharUnicodeInfo.GetUnicodeCategory(code) == category))
            {
                Assert.That(CharUnicodeInfo.GetUnicodeCategory(RegexScanner.StandIn(category)), Is.EqualTo(category));
            }
        }
    }

    [TestCase(",\"rstrip\":true", "a\n\n \nb", new[] { "a", "+", "+", "+", "b" })]
    [TestCase(",\"lstrip\":true,\"rstrip\":true", "a\n\n \nb", new[] { "a", "+", "b" })]
    [TestCase(",\"lstrip\":true", "a \n \nb", new[] { "a", "+", "+", "b" })]
    public void MyTokenTakesTheWhiteSpaceBesideIt_WhichHoldsItAgain(string flags, string text, string[] expected)
    {
        var tokenizer = Read([Added(256, "\n", flags)], ByteLevel);
        Assert.That(tokenizer.Encode(text).Select(id => id == 256 ? "+" : tokenizer.GetToken(id)), Is.EqualTo(expected));
    }

    [TestCase("a", 256, 64, TestName = "MyAddedTokensIdsAreNotTheLibrarys_AndItIsRefused(a token of the vocabulary)")]
    [TestCase("<x>", 257, 256, TestName = "MyAddedTokensIdsAreNotTheLibrarys_AndItIsRefused(a gap)")]
    [TestCase("<x>", 40, 256, TestName = "MyAddedTokensIdsAreNotTheLibrarys_AndItIsRefused(an id that is taken)")]
    public void MyAddedTokensIdsAreNotTheLibrarys_AndItIsRefused(string content, int id, int counted) =>
        Assert.That(() => Read([Added(id, content)], ByteLevel), Throws.TypeOf<ModelFileException>().With.Message.Contains("tokenizer.json: `added_tokens[0]")
            .And.Message.Contains(id == 40 ? "id 40 is another token" : string.Create(CultureInfo.InvariantCulture, $"{id} for `{content}`, where the tokenizers library counts {counted}")));

    [TestCase("<laugh>", ",\"special\":false", true)]
    [TestCase("<laugh>", "", true)]
    [TestCase("[sigh]", ",\"special\":false,\"normalized\":true", true)]
    [TestCase("<|laugh|>", ",\"special\":false", false)]
    [TestCase("<｜laugh｜>", ",\"special\":false", false)]
    [TestCase("</s>", "", false)]
    [TestCase("</s>", ",\"special\":false", true)]
    public void IAddedALaughToMyTokenizer_AndMyTextsLaughWithIt_ButSteerNoModel(string token, string flags, bool isWord)
    {
        string json = LlasaJson();
        int id = ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(json), "tokenizer.json").VocabularySize;
        string added = Added(id, token, flags).Replace(",\"special\":true,\"special\"", ",\"special\"", StringComparison.Ordinal);
        int end = json.IndexOf("],\"pre_tokenizer\"", StringComparison.Ordinal);
        ByteLevelBpe tokenizer = ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(json[..end] + "," + added + json[end..]), "tokenizer.json");
        int[] whole = [.. tokenizer.Encode("well "), id, .. tokenizer.Encode(" then")];
        int[] letters = [.. $"well {token} then".SelectMany(c => tokenizer.Encode(c.ToString()))];
        using var warnings = new Warnings($"`{token}`").Listen();
        LlasaPrompt prompts = LlasaPrompt.Create(tokenizer);
        int[] prompt = prompts.Encode($"well {token} then");
        _ = prompts.Encode($"well {token} once more");
        Assert.Multiple(() =>
        {
            Assert.That(tokenizer.Encode($"well {token} then"), Is.EqualTo(whole));
            Assert.That(tokenizer.Encode($"well {token} then", matchControlTokens: false), Is.EqualTo(isWord ? whole : letters));
            Assert.That(prompt.Count(token => token == id), Is.EqualTo(isWord ? 1 : 0), "in a prompt");
            Assert.That(warnings.Texts, token.StartsWith("<|", StringComparison.Ordinal) ? Has.Exactly(1).Contains("steers the model") : Is.Empty);
        });
    }

    [TestCase("tokenizer_config.json", """{"added_tokens_decoder":{"256":{"content":"<x>"},"257":{"content":"<laugh>","special":false}}}""", false)]
    [TestCase("added_tokens.json", """{"<laugh>":257}""", false)]
    [TestCase("tokenizer_config.json", """{"added_tokens_decoder":{"300":{"content":"<laugh>"}}}""", true)]
    [TestCase("tokenizer_config.json", """{"added_tokens_decoder":{"257":{"content":"<laugh>"}},"bos_token":"<x>"}""", false)]
    [TestCase("tokenizer_config.json", """{"additional_special_tokens":["<x>","<laugh>"]}""", false)]
    [TestCase("tokenizer_config.json", """{"extra_special_tokens":{"laugh_token":"<laugh>"},"eos_token":null}""", false)]
    [TestCase("special_tokens_map.json", """{"additional_special_tokens":[{"content":"<laugh>","lstrip":false}]}""", false)]
    public void MyNewWordStandsBesideTokenizerJsonOnly_AndIsFoundAllTheSame(string name, string content, bool isCountedOtherwise)
    {
        using TemporaryDirectory directory = new();
        using var warnings = new Warnings(directory.Path).Listen();
        directory.Write("tokenizer.json", Json([], [Added(256, "<x>")]));
        directory.Write(name, content);
        var tokenizer = ByteLevelBpe.FromDirectory(directory.Path);
        Assert.That(tokenizer.Encode("a<laugh><x>"), Is.EqualTo((int[])[.. tokenizer.Encode("a"), 257, 256]));
        Assert.That(warnings.Texts, isCountedOtherwise ? Has.One.Contains("`<laugh>` as 300, where the tokenizers library counts 257") : Is.Empty);
    }

    // As Transformers 5.12.1 does: by the class.
    [TestCase(false, """{"tokenizer_class":"WhisperTokenizer","add_prefix_space":true}""", "Ġa,!")]
    [TestCase(true, """{"tokenizer_class":"WhisperTokenizerFast","add_prefix_space":false}""", "a,!")]
    [TestCase(true, """{"tokenizer_class":"GPT2Tokenizer"}""", "a,!")]
    [TestCase(false, """{"tokenizer_class":"PreTrainedTokenizerFast","add_prefix_space":true}""", "a,!")]
    [TestCase(true, """{"tokenizer_class":"PreTrainedTokenizerFast","add_prefix_space":false}""", "Ġa,!")]
    [TestCase(true, "{}", "Ġa,!")]
    public void MyTokenizerConfigSaysWhetherASpaceStandsInFront_AndItsClassDecides(bool json, string config, string expected)
    {
        using TemporaryDirectory directory = new();
        directory.Write("tokenizer.json", Json(["Ġa"], [], "[\"Ġ a\"]", ByteLevel.Replace("\"add_prefix_space\":false", $"\"add_prefix_space\":{(json ? "true" : "false")}", StringComparison.Ordinal)));
        directory.Write("tokenizer_config.json", config);
        var tokenizer = ByteLevelBpe.FromDirectory(directory.Path);
        Assert.That(string.Join(',', tokenizer.Encode("a!").Select(tokenizer.GetToken)), Is.EqualTo(expected));
    }

    [TestCase(@"\w+|.", "हिन्दी!", "␣हिन्दी␣!")]
    [TestCase(@"[\w-]+|.", "Ⅷ-हिन्दी!", "␣Ⅷ-हिन्दी␣!")]
    [TestCase(@"\W+|.", "aि!?", "␣a␣ि␣!?")]
    [TestCase("^.|$", "ab\ncd", "␣a␣b␣\n␣c␣d")]
    [TestCase("a{,2}b", "aaab", "␣a␣aab")]
    [TestCase(@"(?i:AB)|[]x]|[^]x]", "abx]c", "␣ab␣x␣]␣c")]
    [TestCase(@"\[[a\[]", "[[b", "␣[[␣b")]
    public void MyTokenizerCutsByAPatternOfOniguruma_AndIsReadAsThat(string pattern, string text, string expected)
    {
        var tokenizer = Read([], Split(pattern));
        Assert.That(tokenizer.Decode(tokenizer.Encode(text)).Replace(' ', '␣'), Is.EqualTo(expected));
    }

    [TestCase("[[:alpha:]]+|.", "`[:alpha:]]+|…`: a bracket within brackets")]
    [TestCase(@"[\p{L}&&[^a]]+|.", @"`[\p{L}&&[^a]…`: an intersection")]
    [TestCase("(?m:a.b)", "`(?m`: another flag than i")]
    [TestCase(@"[\W_]", @"`\W` between brackets")]
    [TestCase(@"\p{Han}+", "Unknown property 'Han'")]
    public void MyTokenizersPatternSaysSomethingElseToDotNet_AndItIsRefused(string pattern, string expected) =>
        Assert.That(() => Read([], Split(pattern)), Throws.TypeOf<ModelFileException>().With.Message.Contains("tokenizer.json: `pre_tokenizer.pattern`").And.Message.Contains(expected));

    private static string Split(string pattern) => $$"""{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":{{System.Text.Json.JsonSerializer.Serialize(pattern)}}},"behavior":"Isolated","invert":false},"""
        + """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false}]}""";

    private static ByteLevelBpe Read(string[] added, string pre) => ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(Json([], added, pre: pre)), "tokenizer.json");
}
