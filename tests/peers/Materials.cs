using System.Text;
using System.Text.Json.Nodes;
using LlasaNative.RandomCheckpoints;
using LlasaNative.Weights;

namespace LlasaNative.Peers;

/// <summary>Models with random weights and a text, the same for both sides; made once and kept.</summary>
/// <param name="directory">Where they lie.</param>
/// <param name="repository">Root of the repository.</param>
internal sealed class Materials(string directory, string repository)
{
    private const int TextBytes = 10_000_000;

    public string Tiny => Path.Combine(repository, "assets", "tiny");

    public string Script => Path.Combine(repository, "tests", "peers", "peers.py");

    public string Policy1B => Policy("llasa-1b", "llasa-1b");

    public string Policy100M => Policy("policy-97m", Path.Combine(repository, "tests", "peers", "policy-97m.json"));

    public string Codec => Make("xcodec2", path => RandomCheckpoint.Write(path, new RandomCheckpointOptions { Kind = ModelKind.Codec, Like = "xcodec2", Type = TensorType.F32 }));

    /// <summary>Its transcripts never end by themselves, so that each has the length that is asked for.</summary>
    public string Recogniser => Make("whisper-base", path =>
    {
        RandomCheckpoint.Write(path, new RandomCheckpointOptions { Kind = ModelKind.Recogniser, Like = "whisper-base", Type = TensorType.F32 });
        var file = Path.Combine(path, "generation_config.json");
        var generation = JsonNode.Parse(File.ReadAllText(file))!;
        generation["suppress_tokens"] = new JsonArray((int)generation["eos_token_id"]!);
        File.WriteAllText(file, generation.ToJsonString(JsonWriting.Indented));
    });

    public string Gguf1B => Make("llasa-1b-bf16.gguf", path => GgufFile.Write(Policy1B, path));

    /// <summary>Made by llama.cpp itself.</summary>
    public string Gguf1BQ8 => Path.Combine(directory, "llasa-1b-q8_0.gguf");

    public string Ggml => Path.Combine(directory, "whisper-base-f16.bin");

    public string Text => Make("text.txt", path =>
    {
        var sources = new[] { "docs", "managed", "bindings" }.SelectMany(folder => Directory.GetFiles(Path.Combine(repository, folder), "*", SearchOption.AllDirectories))
            .Where(file => Path.GetExtension(file) is ".md" or ".cs" && !file.Contains("/obj/", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
        var all = Encoding.UTF8.GetBytes(string.Concat(sources.Select(File.ReadAllText)));
        using var file = File.Create(path);
        for (var left = TextBytes; left > 0; left -= all.Length)
        {
            file.Write(all, 0, Math.Min(all.Length, left));
        }
    });

    /// <summary>Makes what other programs make of the models.</summary>
    public void Prepare(Toolbox tools)
    {
        if (!File.Exists(Gguf1BQ8) && tools.Find("llama-quantize") is not null)
        {
            Make(Path.GetFileName(Gguf1BQ8), path => Require(tools.Run("llama-quantize", [Gguf1B, path, "Q8_0"])));
        }

        if (!File.Exists(Ggml) && tools.Find("python3") is not null)
        {
            Make(Path.GetFileName(Ggml), path => Require(tools.Run("python3", [Path.Combine(repository, "tests", "oracle", "gen_ggml.py"), Recogniser, path])));
        }
    }

    private static void Require(Toolbox.Outcome outcome)
    {
        if (outcome.ExitCode != 0)
        {
            throw new InvalidOperationException(outcome.Error.Trim().Split('\n')[^1]);
        }
    }

    private string Policy(string name, string like) =>
        Make(name, path => RandomCheckpoint.Write(path, new RandomCheckpointOptions { Kind = ModelKind.Policy, Like = like }));

    /// <summary>Under its name only once it is complete.</summary>
    private string Make(string name, Action<string> write)
    {
        var (final, unfinished) = (Path.Combine(directory, name), Path.Combine(directory, name + ".unfinished"));
        if (!Path.Exists(final))
        {
            Console.Error.WriteLine($"peers: making {final}");
            if (Directory.Exists(unfinished))
            {
                Directory.Delete(unfinished, recursive: true);
            }

            write(unfinished);
            Directory.Move(unfinished, final);
        }

        return final;
    }
}
