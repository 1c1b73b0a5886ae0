using System.Diagnostics;
using System.Text.Json;
using LlasaNative.Trainer;

namespace LlasaNative.EndToEnd.Tests;

/// <summary>The backends against each other, and what is said when one is not there. Each run is a process: a process has one library.</summary>
[TestFixture]
public sealed class BackendTests : TinyWorldTests
{
    [Test]
    public void Train_OnTheSimulatedDevice_TakesTheStepThatTheCpuTakes()
    {
        if (!File.Exists(SimulatorLibrary()))
        {
            Assert.Ignore("libllasa_cudasim.so is not built: ./build.sh test-cudasim builds it");
        }

        var cpu = Step("cpu");
        var device = Step("cudasim");
        Assert.Multiple(() =>
        {
            Assert.That(device.Error, Does.Contain("computing on cudasim (sm_90)"));
            Assert.That(cpu.Error, Does.Contain("computing on cpu"));
            // The draws are compared with 24 random bits each and rounding moves a border by 1e-6 of its size: of the some
            // 50 draws of this fixed seed none is that close, so the codes, and with them the transcripts, are the same.
            foreach (var name in new[] { "reward/cer", "rollout/tokens", "rollout/length_max" })
            {
                Assert.That(device.Metrics[name], Is.EqualTo(cpu.Metrics[name]), name);
            }

            // The advantages of two samples are +-0.7 whatever their rewards are, so they amplify nothing; f32 sums in other
            // orders through 4 layers forward and back differ by some 100 roundings of 6e-8, and 1e-3 is far above that and
            // far below what a wrong term would change.
            Assert.That(cpu.Metrics["optimiser/grad_norm"], Is.GreaterThan(0));
            foreach (var name in new[] { "reward/mean", "reward/nll", "policy/loss", "policy/entropy", "optimiser/grad_norm" })
            {
                Assert.That(device.Metrics[name], Is.EqualTo(cpu.Metrics[name]).Within(1e-3 * Math.Max(1, Math.Abs(cpu.Metrics[name]))), name);
            }
        });
    }

    [Test]
    public void Cuda_WithoutADevice_IsAnErrorThatSaysWhatIsMissing()
    {
        var (code, _, error) = Run("auto", "--backend", "cuda", "speak", "a dog", "--out", Path.Combine(Folder, "a.wav"));
        if (code == 0)
        {
            Assert.Ignore("this machine has a device");
        }

        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(error.Trim(), Does.StartWith("llasa: ").And.Contains("the cuda backend cannot be used: ").And.Contains("--backend cpu"));
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
        });
    }

    private (Dictionary<string, double> Metrics, string Error) Step(string backend)
    {
        var run = Path.Combine(Folder, backend);
        var (code, _, error) = Run(backend, "train", "--out", run, "--steps", "1", "--seed", "7", "--set", "rollout.prompts_per_step=1",
            "--set", "rollout.samples_per_prompt=2", "--set", "rollout.max_new_tokens=24", "--set", "reward.mode=seed", "--set", "run.save_every=0", "--set", "run.samples_every=0");
        Assert.That(code, Is.Zero, error);
        var row = JsonDocument.Parse(File.ReadLines(Path.Combine(run, "metrics.jsonl")).Last()).RootElement;
        return (row.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Number).ToDictionary(p => p.Name, p => p.Value.GetDouble()), error);
    }

    private static string SimulatorLibrary()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder.Parent is not null && !File.Exists(Path.Combine(folder.FullName, "LlasaNative.sln")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder.FullName, "build", "native", "cudasim", "libllasa_cudasim.so");
    }

    private static (int Code, string Output, string Error) Run(string backend, params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet") { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["LLASA_BACKEND"] = backend;
        foreach (var argument in arguments.Prepend(Path.Combine(AppContext.BaseDirectory, "llasa.dll")))
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output.Result, error);
    }
}
