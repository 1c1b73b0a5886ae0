using System.Text;
using System.Text.RegularExpressions;
using LlasaNative.Tests.Support;
using LlasaNative.Text;
using LlasaNative.Weights;
using static LlasaNative.Tests.Text.TokenizerFixtures;

namespace LlasaNative.Tests.Text;

public class ByteLevelBpeTests
{
    [Test]
    public void SplitByHand_AgreesWithTheRegularExpression_OnRandomText([Values] bool llama)
    {
        string[] atoms =
        [
            "a", "É", "한", "1", "²", "٣", " ", "  ", "\t", "\n", "\r", "\r\n", "\u00a0", "\u3000", "\u0085", "\u001c", "\u180e",
            ".", "!", "'", "'s", "'S", "'re", "'LL", "'vE", "’", "\u200b", "\u0301", "_", "<|", "-", "𝒜", "𝐚", "𝟏", "🙂", "👍🏽", "\U0001D167",
        ];
        PieceScanner byHand = llama ? new Llama3Scanner() : new Gpt2Scanner();
        PieceScanner general = new RegexScanner(new Regex(llama ? Llama3Scanner.Pattern : Gpt2Scanner.Pattern, RegexOptions.CultureInvariant));
        Random random = new(3);
        for (int run = 0; run < 5000; run++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => atoms[random.Next(atoms.Length)]));
            Assert.That(Ends(byHand, text), Is.EqualTo(Ends(general, text)), text);
        }
    }

    [Test]
    public void SplitByHand_TreatsLettersOutsideTheBasicPlaneAsLetters()
    {
        // 𝒜 is a letter, 𝟏 a number, 🙂 a symbol, each two UTF-16 units.
        Assert.That(Ends(new Gpt2Scanner(), "x𝒜y 𝒜 1𝟏 🙂🙂"), Is.EqualTo([4, 7, 11, 16]));
        Assert.That(Ends(new Llama3Scanner(), "x𝒜y\t𝒜 1𝟏23🙂\n"), Is.EqualTo([4, 7, 8, 12, 13, 16]));
        Assert.That(Ends(new Llama3Scanner(), "it'ſ"), Is.EqualTo([2, 4]), "the long s folds to s");
    }

    [Test]
    public void Merge_TakesTheLowestRankFirstAndTheLeftmostOfEquals()
    {
        ByteLevelBpe tokenizer = FromJson(Json(["aa", "ab", "aab", "aaaa"], [], """["a b","a a","aa aa","a ab"]"""));
        int[] Ids(params string[] tokens) => [.. tokens.Select(t => tokenizer.TryGetId(t, out int id) ? id : -1)];
        Assert.Multiple(() =>
        {
            Assert.That(tokenizer.Encode("aab"), Is.EqualTo(Ids("aab")));
            Assert.That(tokenizer.Encode("aaa"), Is.EqualTo(Ids("aa", "a")));
            Assert.That(tokenizer.Encode("aaaab"), Is.EqualTo(Ids("aa", "aab")));
            Assert.That(tokenizer.Encode("aaaaaa"), Is.EqualTo(Ids("aaaa", "aa")));
            Assert.That(tokenizer.Encode(new string('a', 4001)), Is.EqualTo(Ids([.. Enumerable.Repeat("aaaa", 1000), "a"])), "the long way agrees");
        });
    }

    [Test]
    public void Merge_OfLongPieces_AgreesWithShortOnes()
    {
        // Cuts at a character that takes part in no merge, so the whole is the concatenation of the parts.
        ByteLevelBpe tokenizer = FromJson(Json(["ab", "abc", "bc", "ca", "caab"], [], """[["c","a"],["b","c"],["a","b"],["ab","c"],["ca","ab"]]"""));
        Random random = new(9);
        List<int> parts = [];
        StringBuilder whole = new();
        for (int i = 0; i < 200; i++)
        {
            string part = string.Concat(Enumerable.Range(0, random.Next(1, 20)).Select(_ => (char)('a' + random.Next(3)))) + "z";
            parts.AddRange(tokenizer.Encode(part));
            whole.Append(part);
        }

        Assert.That(tokenizer.Encode(whole.ToString()), Is.EqualTo(parts));
    }

    [Test]
    public void AddedTokens_AreMatchedLeftmostLongestAndWithTheirFlags()
    {
        ByteLevelBpe tokenizer = FromJson(Json([], [
            Added(256, "<a>"), Added(257, "<a><b>"), Added(258, "word", ",\"single_word\":true"),
            Added(259, "<l>", ",\"lstrip\":true"), Added(260, "<r>", ",\"rstrip\":true")]));
        int Byte(char c) => tokenizer.TryGetId(c.ToString(), out int id) ? id : -1;
        Assert.Multiple(() =>
        {
            Assert.That(tokenizer.Encode("<a><b><a>"), Is.EqualTo([257, 256]));
            Assert.That(tokenizer.Encode("<a><"), Is.EqualTo([256, Byte('<')]));
            Assert.That(tokenizer.Encode("word,words"), Is.EqualTo([258, .. ",words".Select(Byte)]));
            Assert.That(tokenizer.Encode("éword"), Has.No.Member(258));
            Assert.That(tokenizer.Encode("x \t<l> x"), Is.EqualTo([Byte('x'), 259, Byte('Ġ'), Byte('x')]));
            Assert.That(tokenizer.Encode("x <r> \n x"), Is.EqualTo([Byte('x'), Byte('Ġ'), 260, Byte('x')]));
            Assert.That(tokenizer.Encode("<r>  <l>"), Is.EqualTo([260, 259]));
            Assert.That(tokenizer.Decode([256, Byte('x'), 257]), Is.EqualTo("<a>x<a><b>"));
            Assert.That(tokenizer.Decode([256, Byte('x'), 257, 9999, -1], skipSpecialTokens: true), Is.EqualTo("x"));
            Assert.That(tokenizer.GetToken(Byte('Ġ')), Is.EqualTo("Ġ"));
            Assert.That(tokenizer.GetToken(257), Is.EqualTo("<a><b>"));
            Assert.That(tokenizer.GetToken(270), Is.Null);
        });
    }

    [Test]
    public void Normalizer_AppliesToTextAndToNormalizedTokensOnly()
    {
        ByteLevelBpe tokenizer = FromJson(Json(["Ã©"], [Added(257, "e\u0301!", ",\"normalized\":true"), Added(258, "o\u0301!")], rest: ",\"normalizer\":{\"type\":\"NFC\"}", merges: "[\"Ã ©\"]"));
        tokenizer.TryGetId("Ã©", out int composed);
        Assert.That(tokenizer.Encode("e\u0301"), Is.EqualTo([composed]));
        Assert.That(tokenizer.Encode("\u00e9!"), Is.EqualTo([257]));
        Assert.That(tokenizer.Encode("\u00f3!"), Has.No.Member(258));
        Assert.That(tokenizer.Encode("o\u0301!"), Is.EqualTo([258]));
    }

    [Test]
    public void PrefixSpace_IsPutBeforeEveryPartThatHasNone()
    {
        ByteLevelBpe tokenizer = FromJson(Json([], [Added(256, "<a>")], pre: """{"type":"ByteLevel","add_prefix_space":true}"""));
        Assert.That(tokenizer.Decode(tokenizer.Encode("x<a>y<a> z")), Is.EqualTo(" x<a> y<a> z"));
    }

    [Test]
    public void Encode_FromManyThreads_GivesTheSame()
    {
        ByteLevelBpe tokenizer = TokenizerFixtures.Llasa();
        string[] texts = [.. Enumerable.Range(0, 500).Select(i => $"word{i} and <|s_{i % 32}|> é{i}")];
        int[][] expected = [.. texts.Select(t => TokenizerFixtures.Llasa().Encode(t))];
        Parallel.For(0, 4, _ =>
        {
            for (int i = 0; i < texts.Length; i++)
            {
                Assert.That(tokenizer.Encode(texts[i]), Is.EqualTo(expected[i]));
            }
        });
    }

    private static readonly TestCaseData[] Bad =
    [
        new("""{"type":"Whitespace"}""", "[]", "", "", "pre_tokenizer"),
        new("""{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated","invert":false}""", "[]", "", "", "pre_tokenizer.pattern"),
        new("""{"type":"Split","pattern":{"Regex":"a"},"behavior":"Removed","invert":false}""", "[]", "", "", "pre_tokenizer.behavior"),
        new(TokenizerFixtures.ByteLevel, """["a"]""", "", "", "model.merges[0]"),
        new(TokenizerFixtures.ByteLevel, """["a b c"]""", "", "", "model.merges[0]"),
        new(TokenizerFixtures.ByteLevel, """["a b"]""", "", "", "model.merges[0]"),
        new(TokenizerFixtures.ByteLevel, """[["a","zz"]]""", "", "", "model.merges[0]"),
        new(TokenizerFixtures.ByteLevel, "[7]", "", "", "model.merges[0]"),
        new(TokenizerFixtures.ByteLevel, "{}", "", "", "model.merges"),
        new(TokenizerFixtures.ByteLevel, "[]", "", ",\"byte_fallback\":true", "model.byte_fallback"),
        new(TokenizerFixtures.ByteLevel, "[]", "", ",\"dropout\":0.1", "model.dropout"),
        new(TokenizerFixtures.ByteLevel, "[]", "", ",\"end_of_word_suffix\":\"</w>\"", "model.end_of_word_suffix"),
        new(TokenizerFixtures.ByteLevel, "[]", ",\"normalizer\":{\"type\":\"Lowercase\"}", "", "normalizer"),
        new(TokenizerFixtures.ByteLevel, "[]", ",\"decoder\":{\"type\":\"WordPiece\"}", "", "decoder"),
        new(TokenizerFixtures.ByteLevel, "[]", ",\"post_processor\":{\"type\":\"BertProcessing\"}", "", "post_processor"),
    ];

    [TestCaseSource(nameof(Bad))]
    public void FromJson_OfWhatIsNotSupported_NamesTheField(string pre, string merges, string rest, string model, string field) => Assert.That(
        () => FromJson(Json([], [], merges, pre, rest, model)),
        Throws.TypeOf<ModelFileException>().With.Property("Field").EqualTo(field).And.Property("Path").EqualTo("tokenizer.json"));

    [Test]
    public void FromJson_OfDamagedFiles_ThrowsNothingButLlasaException()
    {
        string json = Json(["ab", "Ġa"], [Added(258, "<a>"), Added(259, "<b>", ",\"lstrip\":true")], """["a b",["Ġ","a"]]""",
            rest: ",\"normalizer\":{\"type\":\"NFC\"},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<a>\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"<a>\":{\"ids\":[258]}}}");
        Assert.That(FromJson(json).Encode(" ab", addSpecialTokens: true), Has.Length.EqualTo(3));
        Fuzz.AssertOnlyLlasaExceptions(Encoding.UTF8.GetBytes(json), 21, 4000, bytes =>
        {
            ByteLevelBpe tokenizer = ByteLevelBpe.FromJson(bytes, "tokenizer.json");
            tokenizer.Decode(tokenizer.Encode(" a<a>b \ud800 <b>é"));
        });
    }

    [TestCase("YQ== 0", "256 single bytes")]
    [TestCase("YQ==", "line 1")]
    [TestCase("Y!== 0", "line 1")]
    [TestCase("YQ== -1", "line 1")]
    [TestCase("YQ== 0\nYQ== 1", "line 2")]
    public void FromTiktoken_OfABadFile_NamesTheLine(string content, string expected)
    {
        Assert.That(() => ByteLevelBpe.FromTiktoken(Encoding.UTF8.GetBytes(content), "x.tiktoken"), Throws.TypeOf<ModelFileException>().With.Message.Contains(expected));
    }

    [Test]
    public void LargeTokenizer_LoadsInAboutASecondAndEncodesFast()
    {
        // The size of a public Llasa tokenizer: 128,000 entries with merges, 65,800 added tokens.
        List<string> extra = [];
        StringBuilder merges = new("[");
        string[] letters = [.. Enumerable.Range('a', 26).Select(c => ((char)c).ToString())];
        string[] pairs = [.. letters.SelectMany(a => letters.Select(b => a + b))];
        foreach (string pair in pairs)
        {
            Merge(pair[..1], pair[1..]);
        }

        foreach (string left in pairs)
        {
            foreach (string right in pairs.Take(188))
            {
                Merge(left, right);
            }
        }

        string json = Json([.. extra], [.. Enumerable.Range(0, 65_536).Select(i => Added(128_020 + i, $"<|s_{i}|>"))], merges.Append(']').ToString());
        byte[] bytes = Encoding.UTF8.GetBytes(json);
        TimeSpan start = Environment.CpuUsage.TotalTime;
        ByteLevelBpe tokenizer = ByteLevelBpe.FromJson(bytes, "large");
        TimeSpan load = Environment.CpuUsage.TotalTime - start;
        string fresh = Words(4, 456_976);
        string usual = Words(5, 20_000);
        tokenizer.Encode(Words(6, 20_000));
        TestContext.Out.WriteLine(FormattableString.Invariant($"{bytes.Length / 1e6:F1} MB loaded in {load.TotalSeconds:F2} s"));
        foreach ((string name, string text) in new[] { ("mostly new words", fresh), ("usual words", usual) })
        {
            // Processor time, not wall time: other work on the machine does not count.
            TimeSpan before = Environment.CpuUsage.TotalTime;
            int count = tokenizer.Encode(text).Length;
            TimeSpan used = Environment.CpuUsage.TotalTime - before;
            TestContext.Out.WriteLine(FormattableString.Invariant($"{name}: {count} tokens, {text.Length / used.TotalSeconds / 1e6:F1} MB/s"));
        }

        Assert.That(tokenizer.Encode("<|s_65535|>"), Is.EqualTo([193_555]));

        // A bound that holds for an unoptimised build too; the printed numbers are the measurement.
        Assert.That(load, Is.LessThan(TimeSpan.FromSeconds(10)));

        // Text of words of two or three pairs of letters, drawn from the first so many.
        string Words(int seed, int vocabulary)
        {
            Random random = new(seed);
            StringBuilder text = new();
            while (text.Length < 1_000_000)
            {
                int word = random.Next(vocabulary);
                text.Append(' ').Append(pairs[word % 676]).Append(pairs[word / 676 % 676]).Append(letters[word % 26]);
            }

            return text.ToString();
        }

        void Merge(string left, string right)
        {
            extra.Add(left + right);
            merges.Append(merges.Length > 1 ? "," : "").Append('"').Append(left).Append(' ').Append(right).Append('"');
        }
    }

    private static ByteLevelBpe FromJson(string json) => ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(json), "tokenizer.json");

    private static List<int> Ends(PieceScanner scanner, string text)
    {
        List<int> ends = [];
        scanner.Split(text, 0, ends);
        return ends;
    }
}
