using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using LlasaNative.Tests.Support;
using LlasaNative.Training;
using LlasaNative.Weights;

namespace LlasaNative.Torch.Tests;

/// <summary>The program with <c>--engine torch</c>: it loads the folder that <c>./build.sh engine-torch</c> makes, and knows nothing of this project's packages.</summary>
[TestFixture]
[NonParallelizable]
public sealed class EngineRunTests
{
    private const int Steps = 3;
    private string _folder = "";
    private string _whole = "";   // a run that native alone takes to its end

    private static string Engine => Path.Combine(OracleData.RepositoryRoot, "build", "engines", "torch");

    // Beside bin/CONFIGURATION/... of this project.
    private static string Program => Path.Combine(
        OracleData.RepositoryRoot, "managed", "LlasaNative.Trainer", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "net10.0", "llasa.dll");

    [OneTimeSetUp]
    public void TrainNatively()
    {
        Assert.That(Engine, Does.Exist, "`./build.sh engine-torch` makes it");
        Assert.That(Program, Does.Exist);
        _whole = Directory.CreateTempSubdirectory("llasa-torch-").FullName;
        Finish("native", _whole);
    }

    [OneTimeTearDown]
    public void RemoveTheWhole() => Directory.Delete(_whole, recursive: true);

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("llasa-torch-").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("torch", "native")]
    [TestCase("native", "torch")]
    public void ARunKilledUnderOneEngine_ResumesUnderTheOther(string first, string second)
    {
        using (var process = Start(first, _folder))
        {
            Assert.That(ReadTo(process, "step 2/3"), Has.Some.EndsWith($"; training by {first}"));
            process.Kill();
            process.WaitForExit();
        }

        var said = Finish(second, _folder);
        Assert.That(said, Does.Contain($"; training by {second}"));
        Assert.That(said, Does.Match("resumed after step [12]"));
        var rows = Rows(_folder, "metrics.jsonl");
        Assert.Multiple(() =>
        {
            Assert.That(rows.Select(r => r.GetProperty("step").GetInt64()), Is.EqualTo(new long[] { 1, 2, 3 }));
            // What the policy says is drawn with the same random numbers: the same words, unless a rounding turned a token.
            Assert.That(Rows(_folder, "samples.jsonl").Select(s => s.GetProperty("transcript").GetString()),
                Is.EqualTo(Rows(_whole, "samples.jsonl").Select(s => s.GetProperty("transcript").GetString())));
            Assert.That(Read(_folder, "trainer", "moments.safetensors").Keys, Is.EqualTo(Read(_whole, "trainer", "moments.safetensors").Keys));
        });
        AssertAsTrainedNatively(rows.Sum(r => r.GetProperty("optimiser/learning_rate").GetDouble()));
    }

    /// <summary>That the end is the native run's up to rounding; with moments or a count of steps lost, a step would be another one.</summary>
    private void AssertAsTrainedNatively(double rates)
    {
        // As in TorchTrainerTests: of AdamW's steps, rate times about a sign, a share of 0.8 delta may turn; twice that, for each later
        // gradient is taken where the weights were that much off.
        var delta = Math.Sqrt(1e5) * Math.ScaleB(1, -23);
        var (got, want) = (Read(_folder, "model.safetensors"), Read(_whole, "model.safetensors"));
        double difference = 0;
        long count = 0;
        foreach (var (name, values) in want)
        {
            difference += values.Zip(got[name], (a, b) => Math.Pow((double)a - b, 2)).Sum();
            count += values.Length;
        }

        Assert.That(Math.Sqrt(difference), Is.LessThan(2 * 2 * Math.Sqrt(0.8 * delta) * Math.Sqrt(count) * rates));
    }

    [Test]
    public void SupervisedTraining_TakesTheEngineToo()
    {
        var data = Path.Combine(_folder, "data.jsonl");
        File.WriteAllLines(data, Enumerable.Range(0, 4).Select(i => $$"""{"text": "a big dog", "codes": [{{i}}, 5, 9, 200]}"""));
        var losses = new[] { "native", "torch" }.Select(engine =>
        {
            var run = Path.Combine(_folder, engine);
            RunWell("sft", "--data", data, "--out", run, "--steps", "2", "--engine", engine, "--set", "sft.batch_size=2");
            return Rows(run, "metrics.jsonl").Select(r => r.GetProperty("sft/loss").GetDouble()).ToArray();
        }).ToArray();
        Assert.That(losses[1], Is.EqualTo(losses[0]).Within(1e-4), "nats: sums of logits of some ten nats in float");
    }

    [Test]
    public void TrainingOnPreferences_TakesTheEngineToo()
    {
        var data = Path.Combine(_folder, "pairs.jsonl");
        File.WriteAllLines(data, Enumerable.Range(0, 4).Select(i => $$"""{"text": "a big dog", "chosen": [{{i}}, 5, 9, 200], "rejected": [7, {{i}}, 3]}"""));
        var margins = new[] { "native", "torch" }.Select(engine =>
        {
            var run = Path.Combine(_folder, engine);
            RunWell("dpo", "--data", data, "--out", run, "--steps", "3", "--engine", engine, "--set", "dpo.batch_size=2", "--set", "optimiser.warmup_steps=0");
            return Rows(run, "metrics.jsonl").Select(r => r.GetProperty("dpo/margin").GetDouble()).ToArray();
        }).ToArray();
        Assert.That(margins[0][^1], Is.Not.Zero);
        Assert.That(margins[1], Is.EqualTo(margins[0]).Within(1e-4), "nats: sums of logits of some ten nats in float");
    }

    [Test]
    public void AnEngineThatIsNotThere_IsSaidWithWhatHelps_BeforeAnythingIsWritten()
    {
        using var process = Start("torch", _folder, ("LLASA_ENGINES", _folder), "--set", "trainer.engine=torhc");
        Assert.That(process.StandardError.ReadToEnd(), Does.Contain("engines that can be had are native, torch").And.Contain(Path.Combine(_folder, "torhc")));
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.EqualTo(2));
        Assert.That(Directory.EnumerateFileSystemEntries(_folder), Is.Empty);
    }

    [TestCase("optimiser.recompute", "mlp")]
    [TestCase("optimiser.offload_moments", "true")]
    public void WhatTheNativeEngineAloneHas_IsRefused(string option, string value)
    {
        using var process = Start("torch", _folder, "--set", $"{option}={value}");
        Assert.That(process.StandardError.ReadToEnd(), Does.Contain($"`{option}`: {value}, but torch"));
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.EqualTo(2));
    }

    private static Process Start(string engine, string folder, params string[] more) => Start(engine, folder, ("LLASA_ENGINES", ""), more);

    private static Process Start(string engine, string folder, (string Name, string Value) variable, params string[] more) => Start(
        variable,
        [
            "train", "--out", folder, "--steps", Steps.ToString(CultureInfo.InvariantCulture), "--seed", "7", "--engine", engine,
            "--set", "rollout.prompts_per_step=2", "--set", "rollout.samples_per_prompt=2", "--set", "run.save_every=1", "--set", "run.keep=0", .. more,
        ]);

    private static Process Start((string Name, string Value) variable, params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet", [Program, .. arguments]) { RedirectStandardError = true };
        start.Environment[variable.Name] = variable.Value;
        return Process.Start(start)!;
    }

    private static string Finish(string engine, string folder)
    {
        using var process = Start(engine, folder);
        return End(process);
    }

    private static void RunWell(params string[] arguments)
    {
        using var process = Start(("LLASA_ENGINES", ""), arguments);
        End(process);
    }

    private static string End(Process process)
    {
        var said = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, said);
        return said;
    }

    private static List<string> ReadTo(Process process, string lineStart)
    {
        List<string> seen = [];
        while (process.StandardError.ReadLine() is { } line)
        {
            seen.Add(line);
            if (line.StartsWith(lineStart, StringComparison.Ordinal))
            {
                return seen;
            }
        }

        throw new AssertionException($"no line `{lineStart}`: {string.Join(" | ", seen)}");
    }

    private static JsonElement[] Rows(string folder, string file) => [.. File.ReadLines(Path.Combine(folder, file)).Select(l => JsonDocument.Parse(l).RootElement)];

    private static SortedDictionary<string, float[]> Read(string folder, params string[] file)
    {
        using var tensors = SafeTensorsFile.Open(Path.Combine([folder, "checkpoints", $"step-{Steps:D6}", .. file]));
        return new(tensors.Tensors.ToDictionary(t => t.Name, t => tensors.ReadFloats(t.Name)), StringComparer.Ordinal);
    }
}
