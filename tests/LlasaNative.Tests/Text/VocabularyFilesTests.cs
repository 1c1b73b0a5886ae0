using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlasaNative.Tests.Support;
using LlasaNative.Text;
using LlasaNative.Weights;

namespace LlasaNative.Tests.Text;

/// <summary>Model directories from before <c>tokenizer.json</c>.</summary>
public class VocabularyFilesTests
{
    private const string Llama = """{"tokenizer_class":"PreTrainedTokenizerFast","bos_token":"<|begin_of_text|>","add_bos_token":true}""";

    // Which of the files name the added tokens.
    private static IEnumerable<TestCaseData> Cases() =>
        OracleData.Cases("tokenizer_bpe", "tokenizer.json").Append(Tiny("policy")).Append(Tiny("whisper"))
            .SelectMany(directory => new[] { true, false }.Select(old => new TestCaseData(directory, old)));

    [TestCaseSource(nameof(Cases))]
    public void MyModelHasVocabJsonAndMergesTxt_AndGivesTheIdsOfItsTokenizerJson(string source, bool old)
    {
        var expected = ByteLevelBpe.FromDirectory(source);
        using TemporaryDirectory directory = new();
        Split(source, directory, old);
        Assert.That(ByteLevelBpe.IsIn(directory.Path), Is.True);
        var tokenizer = ByteLevelBpe.FromDirectory(directory.Path);
        Assert.That(tokenizer.VocabularySize, Is.EqualTo(expected.VocabularySize));
        Assert.That(tokenizer.AddedTokens.Select(t => (t.Id, t.Content, t.Special)), Is.EquivalentTo(expected.AddedTokens.Select(t => (t.Id, t.Content, t.Special))));
        string rows = Path.Combine(source, "encode.jsonl");
        string[] texts = File.Exists(rows)
            ? [.. OracleData.Rows(rows).Select(row => row.GetProperty("text").GetString()!)]
            : ["", "the cat's  hat", "It'S 1234567 o'clock\n\n  now", "한국어 <|en|><|s_3|>the<|eot_id|> ", "a\u00a0b\t\u2028 🙂"];
        Assert.Multiple(() =>
        {
            foreach (string text in texts)
            {
                int[] ids = expected.Encode(text);
                Assert.That(tokenizer.Encode(text), Is.EqualTo(ids), text);
                Assert.That(tokenizer.Decode(ids), Is.EqualTo(expected.Decode(ids)), text);
                Assert.That(tokenizer.Decode(ids, skipSpecialTokens: true), Is.EqualTo(expected.Decode(ids, skipSpecialTokens: true)), text);
                if (File.Exists(rows))
                {
                    Assert.That(tokenizer.Encode(text, addSpecialTokens: true), Is.EqualTo(expected.Encode(text, addSpecialTokens: true)), text);
                }
            }
        });
    }

    private static IEnumerable<string> WhisperCases() => OracleData.Cases("tokenizer_whisper", "encode.jsonl");

    [TestCaseSource(nameof(WhisperCases))]
    public void OpenAisWhisper_FromVocabJsonAndMergesTxt_GivesTheOracleIds(string source)
    {
        using TemporaryDirectory directory = new();
        WriteWhisper(directory, OracleData.SharedFileOrIgnore("assets", "multilingual.tiktoken"));
        directory.Write("config.json", """{"model_type":"whisper"}""");
        directory.Write("added_tokens.json", """{"<|startoftranscript|>":50258,"<|en|>":50259,"<|notimestamps|>":50363}""");
        directory.Write("special_tokens_map.json", """
            {"additional_special_tokens":["<|startoftranscript|>","<|en|>","<|notimestamps|>"],"bos_token":{"content":"<|endoftext|>","lstrip":false,"normalized":true,"rstrip":false,"single_word":false}}
            """);
        var tokenizer = ByteLevelBpe.FromDirectory(directory.Path);
        Assert.Multiple(() =>
        {
            foreach (JsonElement row in OracleData.Rows(Path.Combine(source, "encode.jsonl")))
            {
                string text = row.GetProperty("text").GetString()!;
                int[] ids = [.. row.GetProperty("ids").EnumerateArray().Select(v => v.GetInt32())];
                Assert.That(tokenizer.Encode(text, matchControlTokens: false), Is.EqualTo(ids), text);
                Assert.That(tokenizer.Decode(ids), Is.EqualTo(row.GetProperty("decoded").GetString()));
            }

            Assert.That(tokenizer.Encode("<|startoftranscript|>hi<|endoftext|>"), Is.EqualTo((int[])[50258, .. tokenizer.Encode("hi"), 50257]));
            Assert.That(tokenizer.Encode("hi", addSpecialTokens: true), Is.EqualTo((int[])[50258, 50363, .. tokenizer.Encode("hi"), 50257]));
            Assert.That(new[] { 50257, 50258, 50259 }.All(tokenizer.IsSpecial), Is.True);
        });
    }

    [Test]
    public void OnlyTheVersionLineOfMergesTxt_IsNoMerge()
    {
        using TemporaryDirectory directory = new();
        WriteBytes(directory, "##", "ab");
        directory.Write("merges.txt", "# #\r\n#version: 0.2\r\na b\r\n\r\n");
        var tokenizer = ByteLevelBpe.FromDirectory(directory.Path);
        Assert.That(tokenizer.Encode("ab##"), Is.EqualTo([257, 256]));
    }

    [Test]
    public void MySpecialTokensStandInTheVocabularyOrNowhere_AndAreFoundAllTheSame()
    {
        using TemporaryDirectory directory = new();
        WriteBytes(directory, "<|endoftext|>");
        directory.Write("merges.txt", "#version: 0.2\n");
        directory.Write("tokenizer_config.json", """{"tokenizer_class":"GPT2TokenizerFast","pad_token":{"__type":"AddedToken","content":"<pad>","lstrip":true},"unk_token":null}""");
        directory.Write("added_tokens.json", """{"<tag>":257}""");
        var tokenizer = ByteLevelBpe.FromDirectory(directory.Path);
        Assert.That(tokenizer.Encode("x<|endoftext|> <pad><tag>"), Is.EqualTo((int[])[.. tokenizer.Encode("x"), 256, 258, 257]), "the one in the vocabulary, the next free id, the listed one");
        Assert.That((tokenizer.IsSpecial(256), tokenizer.IsSpecial(257), tokenizer.IsSpecial(258)), Is.EqualTo((true, false, true)));
    }

    [Test]
    public void AddedTokensDecoder_GoesBeforeTheTwoOlderFiles()
    {
        using TemporaryDirectory directory = new();
        WriteBytes(directory);
        directory.Write("merges.txt", "");
        directory.Write("tokenizer_config.json", """{"added_tokens_decoder":{"300":{"content":"<a>","special":false},"299":{"content":"<b>","special":true}},"eos_token":"<a>"}""");
        directory.Write("added_tokens.json", """{"<c>":256}""");
        directory.Write("special_tokens_map.json", """{"eos_token":"<c>"}""");
        var tokenizer = ByteLevelBpe.FromDirectory(directory.Path);
        Assert.That(tokenizer.AddedTokens.Select(t => (t.Id, t.Content, t.Special)), Is.EqualTo(new[] { (299, "<b>", true), (300, "<a>", true) }));
    }

    [TestCase("vocab.json", "[]", "vocab.json", "(top level)")]
    [TestCase("vocab.json", """{"a":-1}""", "vocab.json", "a")]
    [TestCase("vocab.json", """{"a":1,"b":1}""", "vocab.json", "b")]
    [TestCase("merges.txt", "#version: 0.2\na b\na b c\n", "merges.txt", "line 2")]
    [TestCase("merges.txt", "abc\n", "merges.txt", "line 1")]
    [TestCase("merges.txt", "\u2581 a\n", "merges.txt", "line 1")]
    [TestCase("added_tokens.json", """{"<x>":"1"}""", "added_tokens.json", "<x>")]
    [TestCase("added_tokens.json", """{"<x>":3}""", "added_tokens.json", "<x>")]
    [TestCase("tokenizer_config.json", """{"added_tokens_decoder":{"x":{"content":"<x>"}}}""", "tokenizer_config.json", "added_tokens_decoder.x")]
    [TestCase("tokenizer_config.json", """{"added_tokens_decoder":{"9":{}}}""", "tokenizer_config.json", "added_tokens_decoder.9.content")]
    [TestCase("special_tokens_map.json", """{"eos_token":7}""", "special_tokens_map.json", "eos_token")]
    public void ADamagedFile_IsNamedWithTheField(string name, string text, string file, string field)
    {
        using TemporaryDirectory directory = new();
        WriteBytes(directory);
        directory.Write("merges.txt", "");
        directory.Write(name, text);
        Assert.That(() => ByteLevelBpe.FromDirectory(directory.Path),
            Throws.TypeOf<ModelFileException>().With.Property("Path").EqualTo(directory.File(file)).And.Property("Field").EqualTo(field));
    }

    [Test]
    public void ADirectoryWithoutATokenizer_IsRefusedWithWhatItHasInstead()
    {
        using TemporaryDirectory directory = new();
        Assert.That(() => ByteLevelBpe.FromDirectory(directory.Path), Throws.TypeOf<ModelFileException>().With.Message.Contains("tokenizer.json").And.Message.Contains("merges.txt"));
        directory.Write("tokenizer.model", "");
        Assert.That(() => ByteLevelBpe.FromDirectory(directory.Path), Throws.TypeOf<ModelFileException>().With.Message.Contains("only `tokenizer.model`").And.Message.Contains("save_pretrained"));
        Assert.That(ByteLevelBpe.IsIn(directory.Path), Is.False);
    }

    /// <summary>Writes what Transformers wrote of the same tokenizer before it had one file for all.</summary>
    internal static void Split(string source, TemporaryDirectory target, bool old)
    {
        JsonNode json = JsonNode.Parse(File.ReadAllBytes(Path.Combine(source, "tokenizer.json")))!;
        target.Write("vocab.json", json["model"]!["vocab"]!.ToJsonString());
        target.Write("merges.txt", "#version: 0.2\n" + string.Concat(json["model"]!["merges"]!.AsArray().Select(m => (m is JsonArray pair ? $"{pair[0]} {pair[1]}" : $"{m}") + "\n")));
        JsonArray added = json["added_tokens"]!.AsArray();
        bool isWhisper = added.Any(t => (string)t!["content"]! == "<|startoftranscript|>");
        JsonObject config = isWhisper ? new JsonObject { ["tokenizer_class"] = "WhisperTokenizer" } : JsonNode.Parse(Llama)!.AsObject();
        if (old)
        {
            target.Write("added_tokens.json", new JsonObject(added.Select(t => KeyValuePair.Create((string)t!["content"]!, (JsonNode?)(int)t["id"]!))).ToJsonString());
            target.Write("special_tokens_map.json", new JsonObject
            {
                ["additional_special_tokens"] = new JsonArray([.. added.Where(t => (bool)t!["special"]!).Select(t => (JsonNode)(string)t!["content"]!)]),
            }.ToJsonString());
        }
        else
        {
            config["added_tokens_decoder"] = new JsonObject(added.Select(t =>
                KeyValuePair.Create(t!["id"]!.ToString(), (JsonNode?)new JsonObject(t.AsObject().Where(p => p.Key != "id").Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone()))))));
        }

        target.Write("tokenizer_config.json", config.ToJsonString());
    }

    private static string Tiny(string name) => Path.Combine(OracleData.RepositoryRoot, "assets", "tiny", name);

    private static void WriteBytes(TemporaryDirectory directory, params string[] more) =>
        directory.Write("vocab.json", JsonSerializer.Serialize(TokenizerFixtures.Alphabet().Concat(more).Select((token, id) => (token, id)).ToDictionary(p => p.token, p => p.id)));

    /// <summary>The merges behind tiktoken ranks: each token is put together of what the ranks before it leave of its bytes.</summary>
    private static void WriteWhisper(TemporaryDirectory directory, string path)
    {
        Dictionary<string, int> ranks = new(StringComparer.Ordinal);
        foreach (string[] line in File.ReadLines(path).Select(line => line.Split(' ')))
        {
            ranks[Latin(line[0].Trim('=').Length == 0 ? [] : Convert.FromBase64String(line[0]))] = int.Parse(line[1], System.Globalization.CultureInfo.InvariantCulture);
        }

        string[] alphabet = new string[256];
        foreach ((string character, int i) in TokenizerFixtures.Alphabet().Select((c, i) => (c, i)))
        {
            // Those from U+0100 on stand for the bytes that have no character of their own, in order.
            alphabet[character[0] < 0x100 ? character[0] : Enumerable.Range(0, 256).Where(b => b is < 0x21 or (> 0x7E and < 0xA1) or 0xAD).ElementAt(i - 188)] = character;
        }

        StringBuilder merges = new("#version: 0.2\n");
        foreach ((string token, int rank) in ranks.Where(pair => pair.Key.Length > 1).OrderBy(pair => pair.Value))
        {
            List<string> parts = [.. token.Select(c => c.ToString())];
            while (parts.Count > 2)
            {
                int best = Enumerable.Range(0, parts.Count - 1).MinBy(i => ranks.TryGetValue(parts[i] + parts[i + 1], out int r) && r < rank ? r : int.MaxValue);
                parts[best] += parts[best + 1];
                parts.RemoveAt(best + 1);
            }

            merges.Append(Text(parts[0])).Append(' ').Append(Text(parts[1])).Append('\n');
        }

        directory.Write("merges.txt", merges.ToString());
        directory.Write("vocab.json", JsonSerializer.Serialize(ranks.Select(pair => KeyValuePair.Create(Text(pair.Key), pair.Value)).Append(KeyValuePair.Create("<|endoftext|>", 50257)).ToDictionary()));

        string Text(string bytes) => string.Concat(bytes.Select(b => alphabet[b]));
        static string Latin(byte[] bytes) => Encoding.Latin1.GetString(bytes);
    }
}
