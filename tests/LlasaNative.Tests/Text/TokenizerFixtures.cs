using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using LlasaNative.Text;

namespace LlasaNative.Tests.Text;

/// <summary>Small tokenizers written by hand.</summary>
internal static class TokenizerFixtures
{
    public const string ByteLevel = """{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}""";

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static ByteLevelBpe Llasa() => ByteLevelBpe.FromJson(Encoding.UTF8.GetBytes(LlasaJson()), "tokenizer.json");

    /// <summary>The tiny world's kind: 256 bytes, no merges, Llama's and Llasa's special tokens, 32 speech tokens.</summary>
    public static string LlasaJson()
    {
        string[] names =
        [
            "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
            "<|TEXT_GENERATION_START|>", "<|TEXT_GENERATION_END|>", "<|TEXT_UNDERSTANDING_START|>", "<|TEXT_UNDERSTANDING_END|>",
            "<|SPEECH_GENERATION_START|>", "<|SPEECH_GENERATION_END|>", .. Enumerable.Range(0, 32).Select(i => $"<|s_{i}|>"),
        ];
        return Json([], [.. names.Select((n, i) => Added(256 + i, n))]);
    }

    /// <summary>The bytes in the order of the alphabet's characters, then extra entries; merges; added tokens from their ids on.</summary>
    public static string Json(string[] extra, string[] added, string merges = "[]", string pre = ByteLevel, string rest = "", string model = "")
    {
        StringBuilder vocabulary = new();
        int id = 0;
        foreach (string token in Alphabet().Concat(extra))
        {
            vocabulary.Append(CultureInfo.InvariantCulture, $"{(id > 0 ? "," : "")}{JsonSerializer.Serialize(token, Relaxed)}:{id++}");
        }

        string decoder = rest.Contains("\"decoder\"", StringComparison.Ordinal) ? "" : ",\"decoder\":" + ByteLevel;
        return "{\"version\":\"1.0\",\"added_tokens\":[" + string.Join(',', added) + "],\"pre_tokenizer\":" + pre + decoder + rest
            + ",\"model\":{\"type\":\"BPE\"" + model + ",\"vocab\":{" + vocabulary + "},\"merges\":" + merges + "}}";
    }

    public static string Added(int id, string content, string flags = "") =>
        $"{{\"id\":{id},\"content\":{JsonSerializer.Serialize(content, Relaxed)},\"normalized\":false,\"special\":true{flags}}}"
            .Replace("\"normalized\":false,\"special\":true,\"normalized\"", "\"special\":true,\"normalized\"", StringComparison.Ordinal);

    /// <summary>The 256 characters of the byte alphabet, in the order of their code points.</summary>
    public static IEnumerable<string> Alphabet() => Enumerable.Range(0x21, 94).Concat(Enumerable.Range(0xA1, 12))
        .Concat(Enumerable.Range(0xAE, 82)).Concat(Enumerable.Range(0x100, 68)).Select(c => ((char)c).ToString());
}
