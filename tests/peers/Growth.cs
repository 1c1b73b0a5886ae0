using System.Globalization;
using System.Text.Json.Nodes;
using LlasaNative.Weights;

namespace LlasaNative.Peers;

/// <summary>How ours grows over batch, context, threads and size: one curve for each of them, by <c>llasa bench</c>.</summary>
/// <param name="models">Where the policies are.</param>
/// <param name="bench">Runs <c>llasa bench</c> with arguments and returns the JSON that it wrote under the name.</param>
internal sealed class Growth(Materials models, Func<string[], string, JsonNode> bench)
{
    private static readonly int[] Batches = [1, 2, 4, 8, 16, 32, 64, 128];
    private static readonly int[] Contexts = [128, 256, 512, 1024, 2048, 4096];

    /// <summary>Runs all of them and writes the file after each, so that nothing measured is lost.</summary>
    public void Measure(string output, int threads)
    {
        JsonArray points = [];
        foreach (var point in Points(threads))
        {
            Side side = new(point.Work);
            JsonNode? result = null;
            side.Take(() => new Turn((double)(result = bench(point.Arguments, $"{point.Work}.json"))["units_per_second"]!));
            var measured = result!;
            JsonObject entry = new()
            {
                ["work"] = point.Work,
                ["policy"] = point.Policy,
                ["type"] = (string)measured["type"]!,
                ["threads"] = (int)measured["threads"]!,
                ["settings"] = measured["settings"]!.DeepClone(),
            };
            foreach (var field in new[] { "units_per_second", "roof_fraction", "read_gb_per_s", "gemm_gflops", "gemm_bf16_gflops" })
            {
                entry[field] = (double?)measured[field];
            }

            entry["others_used_cores"] = Math.Round(side.Foreign, 3);
            points.Add(entry);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{point.Work,-8} {point.Policy,-5} {string.Join(' ', point.Arguments[3..])}: {side.Median:G4}/s, {(double?)measured["roof_fraction"]:P0} of the roof, others used {side.Foreign:F2} cores"));
            JsonObject table = new() { ["processor"] = Machine.Processor, ["isa"] = (string)measured["isa"]!, ["version"] = (string)measured["version"]!, ["points"] = points.DeepClone() };
            File.WriteAllText(output, table.ToJsonString(JsonWriting.Indented) + "\n");
        }
    }

    private IEnumerable<(string Work, string Policy, string[] Arguments)> Points(int threads)
    {
        (string Name, string Path, int Tokens, int Longest)[] policies = [("tiny", Path.Combine(models.Tiny, "policy"), 64, 512), ("97m", models.Policy100M, 16, 4096), ("1b", models.Policy1B, 6, 4096)];
        foreach (var (name, path, tokens, longest) in policies)
        {
            var contexts = Contexts.Where(c => c <= longest);
            string[] Bench(string work, int cores, params string[] more) => [$"--{work}", "--policy", path, "--threads", $"{cores}", .. more];
            foreach (var batch in Batches)
            {
                foreach (var cores in batch is 1 or 16 ? new[] { threads, 1 }.Distinct() : [threads])
                {
                    yield return ("decode", name, Bench("decode", cores, "--policy-type", "bf16", "--batch", $"{batch}", "--tokens", $"{tokens}"));
                }
            }

            foreach (var context in contexts)
            {
                yield return ("prefill", name, Bench("prefill", threads, "--policy-type", "bf16", "--prompt", $"{Math.Min(context, longest - 1)}", "--repeats", "1"));   // one token is drawn behind it
            }

            // The same number of tokens at every length, so that only the context grows.
            if (name != "1b")
            {
                foreach (var length in contexts)
                {
                    yield return ("train", name, Bench("train", threads, "--policy-type", "bf16", "--batch", $"{4096 / length}", "--tokens", $"{length}", "--repeats", "1"));
                }
            }
        }
    }
}
