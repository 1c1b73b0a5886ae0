using System.Globalization;
using System.Text.Json;
using LlasaNative.Audio;
using LlasaNative.Tests.Support;
using LlasaNative.Trainer;
using LlasaNative.Weights;

namespace LlasaNative.EndToEnd.Tests;

public sealed class CommandTests : TinyWorldTests
{
    [Test]
    public void SpeakAndScore_RoundTrip()
    {
        var spoken = LlasaRunner.RunWell("speak", "a big dog", "--samples", "2", "--codes", "--greedy", "--out", Path.Combine(Folder, "a.wav"));
        Assert.That(spoken.Output, Does.Contain("a-1.wav").And.Contains("a-2.wav").And.Contains("real-time factor"));
        Assert.That(File.ReadAllText(Path.Combine(Folder, "a-1.codes.txt")), Is.EqualTo(File.ReadAllText(Path.Combine(Folder, "a-2.codes.txt"))), "greedy");
        // Decoded side by side; a library's product may round a row by its place, which moves a sample of 16 bits to the next at most.
        var (first, second) = (WaveFile.Read(Path.Combine(Folder, "a-1.wav")).Samples.ToArray(), WaveFile.Read(Path.Combine(Folder, "a-2.wav")).Samples.ToArray());
        Assert.That(first, Is.EqualTo(second).Within(1.01f / 32768));
        var wave = LlasaRunner.RunWell("score", "a big dog", "--wav", Path.Combine(Folder, "a-1.wav"));
        var codes = LlasaRunner.RunWell("score", "a big dog", "--codes", Path.Combine(Folder, "a-1.codes.txt"));
        Assert.Multiple(() =>
        {
            Assert.That(Value(wave.Output, "transcript"), Is.EqualTo(Value(codes.Output, "transcript")));
            // 16-bit samples against floats: the rounding of the WAV.
            Assert.That(Number(wave.Output, "NLL"), Is.EqualTo(Number(codes.Output, "NLL")).Within(0.02));
            Assert.That(Number(codes.Output, "reward"), Is.InRange(0, 1));
        });
    }

    [Test]
    public void Eval_DoesNotDependOnBatchSizeOrCompany()
    {
        string[] common = ["eval", "--samples", "2", "--seed", "3"];
        LlasaRunner.RunWell([.. common, "--limit", "5", "--batch-size", "2", "--out", Path.Combine(Folder, "small")]);
        var large = LlasaRunner.RunWell([.. common, "--limit", "6", "--batch-size", "64", "--out", Path.Combine(Folder, "large")]);
        Assert.That(large.Output, Does.Contain("CER").And.Contains("WER").And.Contains("samples    12"));
        var small = Transcripts("small");
        Assert.That(Transcripts("large").Take(small.Length), Is.EqualTo(small));
        using var summary = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "large", "summary.json")));
        Assert.That(summary.RootElement.GetProperty("cer").GetDouble(), Is.EqualTo(Number(large.Output, "CER")).Within(1e-4));

        string[] Transcripts(string run) => [.. File.ReadLines(Path.Combine(Folder, run, "samples.jsonl"))
            .Select(l => JsonDocument.Parse(l).RootElement.GetProperty("transcript").GetString()!)];
    }

    [Test]
    public void Logits_AreARowPerToken()
    {
        var path = Path.Combine(Folder, "logits.safetensors");
        LlasaRunner.RunWell("logits", "a big dog", "the cat sleeps", "--max-new-tokens", "8", "--out", path);
        using var file = SafeTensorsFile.Open(path);
        Assert.That(file.Tensors.Select(t => t.Name), Is.EquivalentTo(new[] { "seq0.input_ids", "seq0.logits", "seq1.input_ids", "seq1.logits" }));
        var (ids, logits) = (file.GetInfo("seq1.input_ids"), file.GetInfo("seq1.logits"));
        Assert.That(logits.Shape.ToArray(), Is.EqualTo(new[] { ids.Shape[0], 1293L }));
        Assert.That(file.AllFinite("seq1.logits"));
    }

    [Test]
    public void Inspect_TellsTypesAndSizes()
    {
        Assert.Multiple(() =>
        {
            Assert.That(LlasaRunner.RunWell("inspect", TinyWorld.Policy, "--check").Output, Does.Contain("llama").And.Contains("1024 codes").And.Contains("finite"));
            Assert.That(LlasaRunner.RunWell("inspect", TinyWorld.Codec).Output, Does.Contain("xcodec2").And.Contains("320 samples each"));
            Assert.That(LlasaRunner.RunWell("inspect", TinyWorld.Recogniser, "--tensors").Output, Does.Contain("whisper").And.Contains("model.encoder.conv1.weight"));
        });
    }

    [Test]
    public void Sft_LowersTheLossOfWhatItSees_AndResumes()
    {
        var data = Path.Combine(Folder, "data.jsonl");
        LlasaRunner.RunWell("speak", "a big dog", "--codes", "--out", Path.Combine(Folder, "a.wav"));
        var codes = File.ReadAllText(Path.Combine(Folder, "a.codes.txt")).Trim().Replace(' ', ',');
        File.WriteAllText(data, $"{{\"text\": \"a big dog\", \"codes\": [{codes}]}}\n");
        string[] arguments = ["sft", "--data", data, "--set", "sft.batch_size=1", "--set", "optimiser.warmup_steps=0"];
        LlasaRunner.RunWell([.. arguments, "--out", Path.Combine(Folder, "a"), "--steps", "4"]);
        LlasaRunner.RunWell([.. arguments, "--out", Path.Combine(Folder, "b"), "--steps", "2"]);
        LlasaRunner.RunWell([.. arguments, "--out", Path.Combine(Folder, "b"), "--steps", "4"]);
        AssertSame(Checkpoint(Path.Combine(Folder, "b"), 4), Checkpoint(Path.Combine(Folder, "a"), 4));
        var losses = File.ReadLines(Path.Combine(Folder, "a", "metrics.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("sft/loss").GetDouble()).ToArray();
        Assert.That(losses[^1], Is.LessThan(losses[0]));
        var seconds = JsonDocument.Parse(File.ReadLines(Path.Combine(Folder, "a", "metrics.jsonl")).Last()).RootElement.GetProperty("seconds/step").GetDouble();
        Assert.That(seconds, Is.GreaterThan(0), "a step's time has one name, whatever trains");
    }

    [Test]
    public void Demo_WritesItsPageAndSummary()
    {
        var outcome = LlasaRunner.Run("demo", "--out", Folder, "--limit", "3", "--samples", "1", "--clips", "2",
            "--steps", "1", "--set", "rollout.prompts_per_step=2", "--set", "rollout.samples_per_prompt=2");
        // One step on three sentences may go either way: a short run promises nothing and ends well in both cases.
        Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
        var steps = File.ReadLines(Path.Combine(OracleData.RepositoryRoot, "configs", "demo.yaml")).Single(l => l.StartsWith("  steps: ", StringComparison.Ordinal))[9..];
        Assert.That(outcome.Output, Does.Contain($"a short run: {steps} steps are the demo's"));
        var html = File.ReadAllText(Path.Combine(Folder, "index.html"));
        using var summary = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "summary.json")));
        Assert.Multiple(() =>
        {
            Assert.That(html.Split("<audio").Length - 1, Is.EqualTo(4));
            Assert.That(LlasaRunner.RunWell("inspect", Path.Combine(Folder, "policy"), "--check").Output, Does.Contain("llama"));
            Assert.That(summary.RootElement.GetProperty("sentences").GetInt32(), Is.EqualTo(3));
            Assert.That(html, Does.Contain($"This was a short run: 1 of the demonstration's {steps} steps"));
            Assert.That(summary.RootElement.GetProperty("short_run").GetBoolean(), Is.True);
            Assert.That(LlasaRunner.Run("demo", "--out", Folder, "--steps", "0").Error, Does.Contain("--steps must be at least 1"));
        });
    }

    [Test]
    public void Compare_OfAPolicyWithARun_WritesNumbersChartAndPage()
    {
        var run = Path.Combine(Folder, "run");
        LlasaRunner.RunWell(Train(run, 1, "--set", "optimiser.learning_rate=0.01", "--set", "optimiser.warmup_steps=0"));
        File.WriteAllLines(Path.Combine(Folder, "texts.txt"), ["a big dog", "the cat sleeps", "where is the white ship"]);
        string[] common = ["--data", Path.Combine(Folder, "texts.txt"), "--samples", "2", "--clips", "2", "--seed", "3"];
        var outcome = LlasaRunner.RunWell(["compare", TinyWorld.Policy, run, "--out", Path.Combine(Folder, "out"), "--sounds", .. common]);
        Assert.That(outcome.Output, Does.Contain("character error rate").And.Contain("speaking rate, char/s").And.Contain("F0 standard deviation, Hz"));
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "out", "comparison.json")));
        var measures = json.RootElement.GetProperty("measures");
        var eval = LlasaRunner.RunWell(["eval", "--policy", Path.Combine(run, "policy"), "--data", Path.Combine(Folder, "texts.txt"), "--samples", "2", "--seed", "3"]);
        Assert.Multiple(() =>
        {
            Assert.That(json.RootElement.GetProperty("before").GetString(), Is.EqualTo("tiny"));
            Assert.That(json.RootElement.GetProperty("after").GetString(), Is.EqualTo("run"));
            Assert.That(measures.GetProperty("cer").GetProperty("after").GetProperty("value").GetDouble(), Is.EqualTo(Number(eval.Output, "CER")).Within(1e-4));
            Assert.That(measures.GetProperty("nll").GetProperty("after").GetProperty("value").GetDouble(), Is.EqualTo(Number(eval.Output, "NLL")).Within(1e-4));
            Assert.That(measures.GetProperty("rate").GetProperty("before").GetProperty("value").GetDouble(), Is.InRange(1, 100));
            Assert.That(File.ReadAllText(Path.Combine(Folder, "out", "index.html")).Split("<audio").Length - 1, Is.EqualTo(4));
            Assert.That(File.ReadLines(Path.Combine(Folder, "out", "samples-after.jsonl")).Count(), Is.EqualTo(6));
            foreach (var side in new[] { "before", "after" })
            {
                var sounds = Directory.GetFiles(Path.Combine(Folder, "out", "sounds-" + side)).Select(Path.GetFileName).Order(StringComparer.Ordinal);
                Assert.That(sounds, Is.EqualTo(new[] { "1-1.wav", "1-2.wav", "2-1.wav", "2-2.wav", "3-1.wav", "3-2.wav" }));
                var third = Audio.WaveFile.Read(Path.Combine(Folder, "out", "sounds-" + side, "3-1.wav"));
                var told = File.ReadLines(Path.Combine(Folder, "out", $"samples-{side}.jsonl")).ElementAt(4);
                using var sample = JsonDocument.Parse(told);
                Assert.That(third.Samples.Length, Is.EqualTo(sample.RootElement.GetProperty("codes").GetInt32() * 320), told);
            }

            Assert.That(new FileInfo(Path.Combine(Folder, "out", "comparison.png")).Length, Is.GreaterThan(5000));
        });

        // A policy compared with itself differs in nothing.
        LlasaRunner.RunWell(["compare", TinyWorld.Policy, TinyWorld.Policy, "--names", "a,b", "--out", Path.Combine(Folder, "same"), .. common]);
        using var same = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "same", "comparison.json")));
        foreach (var measure in same.RootElement.GetProperty("measures").EnumerateObject())
        {
            var difference = measure.Value.GetProperty("difference").GetProperty("value");
            Assert.That(difference.ValueKind == JsonValueKind.Null || difference.GetDouble() == 0, measure.Name);
        }

        Assert.Multiple(() =>
        {
            Assert.That(LlasaRunner.Run("compare", Folder, TinyWorld.Policy).Error, Does.Contain("holds neither a policy"));
            Assert.That(LlasaRunner.Run("compare", Folder + "/no", TinyWorld.Policy).ExitCode, Is.EqualTo(2));
            Assert.That(LlasaRunner.Run("compare", TinyWorld.Policy, TinyWorld.Policy, "--names", "a").Error, Does.Contain("two different names"));
        });
    }

    [Test]
    public void Bench_MeasuresEveryPhase()
    {
        var outcome = LlasaRunner.RunWell("bench", "--steps", "1", "--out", Folder, "--set", "rollout.prompts_per_step=2", "--set", "rollout.samples_per_prompt=2");
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "step.json")));
        Assert.Multiple(() =>
        {
            Assert.That(outcome.Output, Does.Contain("rollout").And.Contains("real-time factor").And.Contains("GEMM"));
            foreach (var phase in new[] { "rollout", "vocode", "recognise", "gradient" })
            {
                Assert.That(json.RootElement.GetProperty("phases").GetProperty(phase).GetProperty("fraction_of_gemm_peak").GetDouble(), Is.GreaterThan(0), phase);
            }
        });
    }

    private static string Value(string output, string name) =>
        output.Split('\n').First(l => l.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim();

    private static double Number(string output, string name) => double.Parse(Value(output, name), CultureInfo.InvariantCulture);

    [Test]
    public void Inspect_Memory_PlansARunFromConfigurationsAlone()
    {
        var bare = Directory.CreateDirectory(Path.Combine(Folder, "bare")).FullName;
        File.Copy(Path.Combine(TinyWorld.Policy, "config.json"), Path.Combine(bare, "config.json"));
        var plain = LlasaRunner.RunWell("inspect", "--memory", bare, "--set", "rollout.slots=8").Output;
        var all = LlasaRunner.RunWell("inspect", "--memory", TinyWorld.Policy, "--codec", TinyWorld.Codec, "--recogniser", TinyWorld.Recogniser, "--set", "lora.rank=16").Output;
        var gpu = LlasaRunner.RunWell("inspect", "--memory", "--for-gpu", bare, "--set", "rollout.slots=8", "--set", "models.policy_type=bf16").Output;
        double Of(string table, string row) => double.Parse(
            table.Split('\n').First(l => l.Contains(row, StringComparison.Ordinal))[53..63], System.Globalization.CultureInfo.InvariantCulture);
        Assert.Multiple(() =>
        {
            // The tiny policy has 1.6 million parameters of four bytes.
            Assert.That(Of(plain, "the policy's weights"), Is.EqualTo(Of(plain, "first moments")).And.InRange(5, 10));
            Assert.That(Of(plain, "all of the device, at most"), Is.GreaterThan(4 * Of(plain, "the policy's weights")));
            // On the CPU one phase follows another.
            Assert.That(Of(plain, "what phases share"), Is.GreaterThan(0).And.LessThan(Of(plain, "training    by turns") + Of(plain, "rollouts    by turns")));
            Assert.That(Of(plain, "kept from phase to phase") + Of(plain, "what phases share"), Is.EqualTo(Of(plain, "all of the device, at most")).Within(0.002));
            Assert.That(all, Does.Contain("the codec's decoder").And.Contains("cross-attention caches"));
            Assert.That(Of(all, "first moments"), Is.LessThan(Of(plain, "first moments") / 3), "those of an adapter");
            Assert.That(plain, Does.Not.Contain("codec").And.Contains("backend").And.Not.Contains(" for a GPU"));
            Assert.That(gpu, Does.Contain(" for a GPU").And.Contains("scratch memory of kernels"));
        });
        var outcome = LlasaRunner.Run("inspect", "--memory", TinyWorld.Policy, "--set", "rollout.max_new_tokens=100000");
        Assert.That(outcome.ExitCode, Is.EqualTo(2));
        Assert.That(outcome.Error, Does.StartWith("llasa: ").And.Contains("max_position_embeddings"));
    }
}
