using System.Text.Json;
using LlasaNative.Tests.Support;
using LlasaNative.Text;

namespace LlasaNative.Tests.Text;

public class TokenizerOracleTests
{
    private static IEnumerable<string> BpeCases() => OracleData.Cases("tokenizer_bpe", "tokenizer.json");

    private static IEnumerable<string> WhisperCases() => OracleData.Cases("tokenizer_whisper", "encode.jsonl");

    [TestCaseSource(nameof(BpeCases))]
    public void Encode_OfEveryOracleText_GivesItsIds(string directory)
    {
        // The same tokenizer is stored with its merges written in two ways.
        foreach (string file in Directory.GetFiles(directory, "tokenizer*.json").Order(StringComparer.Ordinal))
        {
            ByteLevelBpe tokenizer = ByteLevelBpe.FromFile(file);
            Assert.Multiple(() =>
            {
                foreach (JsonElement row in OracleData.Rows(Path.Combine(directory, "encode.jsonl")))
                {
                    string text = row.GetProperty("text").GetString()!;
                    int[] ids = Ids(row, "ids");
                    Assert.That(tokenizer.Encode(text), Is.EqualTo(ids), text);
                    Assert.That(tokenizer.Encode(text), Is.EqualTo(ids), $"second time, from the cache: {text}");
                    if (row.TryGetProperty("ids_with_bos", out _))
                    {
                        Assert.That(tokenizer.Encode(text, addSpecialTokens: true), Is.EqualTo(Ids(row, "ids_with_bos")), text);
                    }

                    Assert.That(tokenizer.Decode(ids), Is.EqualTo(row.GetProperty("decoded").GetString()), text);
                    Assert.That(tokenizer.Decode(ids, skipSpecialTokens: true), Is.EqualTo(row.GetProperty("decoded_skip_special").GetString()), text);
                }
            });
        }
    }

    [TestCaseSource(nameof(BpeCases))]
    public void Encode_WithoutIgnoreMerges_GivesTheOtherIds(string directory)
    {
        string json = File.ReadAllText(Path.Combine(directory, "tokenizer.json")).Replace("\"ignore_merges\": true", "\"ignore_merges\": false", StringComparison.Ordinal);
        ByteLevelBpe tokenizer = ByteLevelBpe.FromJson(System.Text.Encoding.UTF8.GetBytes(json), "tokenizer.json");
        foreach (JsonElement row in OracleData.Rows(Path.Combine(directory, "encode.jsonl")))
        {
            string key = row.TryGetProperty("ids_if_ignore_merges_false", out _) ? "ids_if_ignore_merges_false" : "ids";
            Assert.That(tokenizer.Encode(row.GetProperty("text").GetString()), Is.EqualTo(Ids(row, key)));
        }
    }

    [TestCaseSource(nameof(BpeCases))]
    public void Decode_OfArbitraryIds_ReplacesInvalidBytes(string directory)
    {
        ByteLevelBpe tokenizer = ByteLevelBpe.FromFile(Path.Combine(directory, "tokenizer.json"));
        foreach (JsonElement row in OracleData.Rows(Path.Combine(directory, "decode.jsonl")))
        {
            Assert.That(tokenizer.Decode(Ids(row, "ids")), Is.EqualTo(row.GetProperty("decoded").GetString()));
            Assert.That(tokenizer.Decode(Ids(row, "ids"), skipSpecialTokens: true), Is.EqualTo(row.GetProperty("decoded_skip_special").GetString()));
        }
    }

    [Test]
    public void Llama3Vocabulary_GivesThePublishedVectors()
    {
        string? tokenizer = Environment.GetEnvironmentVariable("LLASA_LLAMA3_TOKENIZER");
        if (tokenizer is null)
        {
            Assert.Ignore("SKIPPED: $LLASA_LLAMA3_TOKENIZER does not name a tokenizer.json with the Llama-3 vocabulary");
        }

        string vectors = OracleData.SharedFileOrIgnore("public", "tokenizer_bpe", "llama3_real_vectors", "vectors.jsonl");
        ByteLevelBpe bpe = ByteLevelBpe.FromFile(tokenizer);
        foreach (JsonElement row in OracleData.Rows(vectors))
        {
            Assert.That(bpe.Encode(row.GetProperty("text").GetString()), Is.EqualTo(Ids(row, "ids")), row.GetProperty("text").GetString());
        }
    }

    [TestCaseSource(nameof(WhisperCases))]
    public void WhisperRanks_GiveTheOracleIds(string directory)
    {
        string ranks = OracleData.SharedFileOrIgnore("assets", "multilingual.tiktoken");
        ByteLevelBpe tokenizer = ByteLevelBpe.FromTiktoken(File.ReadAllBytes(ranks), ranks);
        Assert.That(tokenizer.VocabularySize, Is.EqualTo(OracleData.Manifest(directory).GetProperty("ranks").GetInt32()));
        Assert.Multiple(() =>
        {
            foreach (JsonElement row in OracleData.Rows(Path.Combine(directory, "encode.jsonl")))
            {
                string text = row.GetProperty("text").GetString()!;
                Assert.That(tokenizer.Encode(text), Is.EqualTo(Ids(row, "ids")), text);
                Assert.That(tokenizer.Decode(Ids(row, "ids")), Is.EqualTo(row.GetProperty("decoded").GetString()));
            }

            foreach (JsonElement row in OracleData.Rows(Path.Combine(directory, "decode.jsonl")))
            {
                Assert.That(tokenizer.Decode(Ids(row, "ids")), Is.EqualTo(row.GetProperty("decoded").GetString()));
            }
        });
    }

    [TestCaseSource(nameof(WhisperCases))]
    public void WhisperStandardTokens_MatchTheOracleTable(string directory)
    {
        JsonElement manifest = OracleData.Manifest(directory);
        foreach (string key in new[] { "special_ids_99_languages", "special_ids_100_languages_large_v3" })
        {
            JsonElement expected = manifest.GetProperty(key);
            WhisperTokens tokens = WhisperTokens.Standard(expected.GetProperty("vocab").GetInt32());
            foreach (JsonProperty property in expected.EnumerateObject())
            {
                int? found = property.Name switch
                {
                    "endoftext" => tokens.EndOfText,
                    "startoftranscript" => tokens.StartOfTranscript,
                    "first_language_en" => tokens.Language("en"),
                    "translate" => tokens.Translate,
                    "transcribe" => tokens.Transcribe,
                    "nospeech" => tokens.NoSpeech,
                    "notimestamps" => tokens.NoTimestamps,
                    "timestamp_begin" => tokens.TimestampBegin,
                    "startoflm" or "startofprev" or "vocab" => property.Value.GetInt32(),
                    string language => tokens.Language(language),
                };
                Assert.That(found, Is.EqualTo(property.Value.GetInt32()), property.Name);
            }
        }
    }

    private static int[] Ids(JsonElement row, string key) => [.. row.GetProperty(key).EnumerateArray().Select(v => v.GetInt32())];
}
