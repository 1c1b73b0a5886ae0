using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlasaNative.Peers;

/// <summary>The table: what is measured against whom.</summary>
/// <param name="models">Models and texts of both sides.</param>
/// <param name="threads">Compute threads of both sides.</param>
internal sealed class Rows(Materials models, int threads)
{
    // Without them OpenBLAS's threads of PyTorch spin against OpenMP's: several times slower in most rows, faster in some.
    private static readonly (string, string)[] Tuned = [("OPENBLAS_THREAD_TIMEOUT", "10"), ("OMP_WAIT_POLICY", "passive")];

    private string Threads => threads.ToString(CultureInfo.InvariantCulture);

    public Row[] All() =>
    [
        new("1", "Llasa-1B shape, bf16, decoding, batch 1", "tokens", 1.1,
            ["--decode", "--policy", models.Policy1B, "--policy-type", "bf16", "--tokens", "24"], "decode.json",
            [LlamaBench("llama.cpp BF16", models.Gguf1B, "-p", "0", "-n", "24"), LlamaBench("llama.cpp Q8_0", models.Gguf1BQ8, "-p", "0", "-n", "24") with { Counts = false }]),
        new("1-q8", "the same in 8 bits", "tokens", 1.1,
            ["--decode", "--policy", models.Policy1B, "--policy-type", "q8", "--tokens", "24"], "decode.json",
            [LlamaBench("llama.cpp Q8_0", models.Gguf1BQ8, "-p", "0", "-n", "24")]),
        new("2", "Llasa-1B shape, bf16, decoding, batch 16", "tokens", 1.2,
            ["--decode", "--policy", models.Policy1B, "--policy-type", "bf16", "--batch", "16", "--tokens", "12"], "decode.json",
            [BatchedBench(16, 12)]),
        new("3", "the same, prefill of 512", "tokens", 1.5,
            ["--prefill", "--policy", models.Policy1B, "--policy-type", "bf16"], "prefill.json",
            [LlamaBench("llama.cpp BF16", models.Gguf1B, "-p", "512", "-n", "0")]),
        new("4", "training, 97 M, vocabulary 193,800, 8 x 512 tokens", "tokens", 2.5,
            ["--train", "--policy", models.Policy100M, "--repeats", "1"], "train.json",
            Torch("train", models.Policy100M, "8", "512", "1")),
        new("4-mlp", "the same, gate and up of the MLPs computed again", "tokens", 2.5,
            ["--train", "--policy", models.Policy100M, "--repeats", "1", "--set", "optimiser.recompute=mlp"], "train.json",
            Torch("train", models.Policy100M, "8", "512", "1")),
        new("4-bf16", "the same in bf16", "tokens", 2.5,
            ["--train", "--policy", models.Policy100M, "--policy-type", "bf16", "--repeats", "1"], "train.json",
            TorchInBoth("train", models.Policy100M, "8", "512", "1")),
        new("5", "training step of the tiny policy, 32 x 128 tokens", "tokens", 2,
            ["--train", "--batch", "32", "--tokens", "128", "--repeats", "5"], "train.json",
            Torch("train", Path.Combine(models.Tiny, "policy"), "32", "128", "5")),
        new("6", "GRPO step of the tiny world, 8 x 16", "steps", 4,
            ["--set", "rollout.prompts_per_step=8", "--set", "rollout.samples_per_prompt=16", "--steps", "2"], "step.json",
            Torch("grpo", models.Tiny, "2")),
        new("6-bf16", "the same in bf16", "steps", 4,
            ["--set", "rollout.prompts_per_step=8", "--set", "rollout.samples_per_prompt=16", "--policy-type", "bf16", "--scoring-type", "bf16", "--steps", "2"], "step.json",
            TorchInBoth("grpo", models.Tiny, "2")),
        new("7", "X-Codec2, 10 s of sound", "seconds of sound", 2.5,
            ["--vocode", "--codec", models.Codec], "vocode.json",
            Torch("vocode", models.Codec, models.Tiny, "500", "3")),
        new("8", "Whisper base, one clip, 64 tokens", "clips", 2,
            ["--recognise", "--recogniser", models.Recogniser], "recognise.json",
            [WhisperCpp(1, 0), .. Torch("recognise", models.Recogniser, "1", "64", "0", "3")]),
        new("8-bf16", "the same, ours with bf16 weights (whisper.cpp's are f16)", "clips", 2,
            ["--recognise", "--recogniser", models.Recogniser, "--scoring-type", "bf16"], "recognise.json",
            [WhisperCpp(1, 0)]),
        new("8b", "Whisper base, 16 clips, 64 tokens and NLL of 64", "clips", 5,
            ["--recognise", "--recogniser", models.Recogniser, "--batch", "16", "--text-tokens", "64", "--repeats", "1"], "recognise.json",
            [WhisperCpp(4, 64)]),
        new("8b-bf16", "the same, ours with bf16 weights (whisper.cpp's are f16)", "clips", 5,
            ["--recognise", "--recogniser", models.Recogniser, "--scoring-type", "bf16", "--batch", "16", "--text-tokens", "64", "--repeats", "1"], "recognise.json",
            [WhisperCpp(4, 64)]),
        new("9", "sampling, 16 x 193,800, top-k 50, top-p 0.9", "tokens", 30,
            ["--sample", "--repeats", "5"], "sample.json",
            Torch("sample", "50", "0.9", "3")),
        new("9b", "sampling, 16 x 193,800, top-p 0.9 alone", "tokens", 30,
            ["--sample", "--top-k", "0", "--repeats", "5"], "sample.json",
            Torch("sample", "0", "0.9", "3")),
        new("10", "tokenizing 10 MB", "MB", 10,
            ["--tokenize", models.Text, "--policy", models.Policy1B], "tokenize.json",
            [Python("tokenizers", "tokenizers", [], "tokenize", models.Policy1B, models.Text, "2")]),
    ];

    private Peer LlamaBench(string name, string model, params string[] work) => new(name, "llama-bench", null, tools =>
    {
        var outcome = Succeed("llama-bench", tools.Run("llama-bench", ["-m", model, "-t", Threads, "-r", "3", "-o", "json", .. work]));
        var result = JsonNode.Parse(outcome)!.AsArray()[0]!;
        return new Turn((double)result["avg_ts"]!);
    });

    private Peer BatchedBench(int batch, int tokens) => new("llama.cpp BF16", "llama-batched-bench", null, tools =>
    {
        string[] work = ["-m", models.Gguf1B, "-t", Threads, "-c", "512", "-npp", "2", "-ntg", $"{tokens}", "-npl", $"{batch}", "--output-format", "jsonl"];
        var outcome = Succeed("llama-batched-bench", tools.Run("llama-batched-bench", work));
        var line = outcome.Split('\n').Last(l => l.StartsWith('{'));
        return new Turn((double)JsonNode.Parse(line)!["speed_tg"]!);
    });

    private Peer WhisperCpp(int clips, int textTokens) =>
        Python("whisper.cpp f16", "ctypes", [], "whispercpp", models.Ggml, $"{clips}", "64", $"{textTokens}", "1") with { Program = "whisper-cli" };

    private Peer[] Torch(params string[] work) =>
        [Python("PyTorch", "torch", [], work), Python("PyTorch, tuned threads", "torch", Tuned, work)];

    // Where it has no fast product in bf16, PyTorch is quicker in f32.
    private Peer[] TorchInBoth(params string[] work) =>
        [.. Torch(work), Python("PyTorch in bf16", "torch", [], [.. work, "bf16"]), Python("PyTorch in bf16, tuned threads", "torch", Tuned, [.. work, "bf16"])];

    private Peer Python(string name, string module, (string, string)[] environment, params string[] work) => new(name, "python3", module, tools =>
    {
        var outcome = Succeed(name, tools.Run("python3", [models.Script, Threads, .. work], environment));
        var result = JsonNode.Parse(outcome.Split('\n').Last(l => l.StartsWith('{')))!;
        return new Turn((double)result["rate"]!, MemoryMib: (double)result["memory_mib"]!);
    });

    private static string Succeed(string name, Toolbox.Outcome outcome) => outcome.ExitCode == 0
        ? outcome.Output
        : throw new InvalidOperationException($"{name} failed ({outcome.ExitCode}): {string.Join(" | ", outcome.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(3))}");
}
