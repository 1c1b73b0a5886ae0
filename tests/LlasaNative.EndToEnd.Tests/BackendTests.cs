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

    [Test, Category("Long")]
    public void Train_OnTwoSimulatedDevices_TakesTheSameStepByNcclAsThroughTheHostsMemory()
    {
        MpiRunner.Require();
        if (!File.Exists(SimulatorLibrary()))
        {
            Assert.Ignore("libllasa_cudasim.so is not built: ./build.sh test-cudasim builds it");
        }

        (double Norm, string Error) Ranks(string name, string nccl)
        {
            var run = Path.Combine(Folder, name);
            (string, string)[] machine =
            [
                ("LLASA_BACKEND", "cudasim"), ("LLASA_NATIVE_DIR", Path.GetDirectoryName(SimulatorLibrary())!), ("LLASA_CUDASIM_DEVICES", "2"), ("LLASA_CUDASIM_NCCL", nccl),
            ];
            using var launched = MpiRunner.Start(2, machine, [.. StepArguments(run), "--set", "rollout.prompts_per_step=2"]);
            var outcome = MpiRunner.Finish(launched);
            Assert.That(outcome.ExitCode, Is.Zero, outcome.Error);
            return (Metrics(run)["optimiser/grad_norm"], outcome.Error);
        }

        var (byNccl, byHosts) = (Ranks("nccl", "21805"), Ranks("hosts", "0"));
        Assert.Multiple(() =>
        {
            Assert.That(byNccl.Error, Does.Contain("; 2 ranks by Open MPI").And.Contain(", gradients by NCCL 2.18.5"));
            Assert.That(byHosts.Error, Does.Contain(", gradients through the hosts' memory (rank 0: no NCCL: libnccl.so.2: cannot open"));
            Assert.That(byNccl.Norm, Is.GreaterThan(0).And.EqualTo(byHosts.Norm), "two numbers have one sum");
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

    [Test]
    public void Cuda_WithADriverThatIsTooOld_IsAnErrorThatSaysWhichIsNeeded()
    {
        var (code, error) = RunOnStandIn("cuda", [("LLASA_CUDASIM_DRIVER", "11040")], "speak", "a dog", "--out", Path.Combine(Folder, "a.wav"));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(error.Trim(), Is.EqualTo("llasa: the cuda backend cannot be used: no CUDA device: the driver supports CUDA 11.4, this library needs 11.8 or later; `--backend cpu` computes without a GPU"));
        });
    }

    [Test]
    public void Cuda_WithoutCublasLt_IsAnErrorThatNamesWhatIsMissing()
    {
        var (code, error) = RunOnStandIn("cuda", [("LLASA_CUDASIM_CUBLASLT", "4")], "speak", "a dog", "--out", Path.Combine(Folder, "a.wav"));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(error.Trim(), Does.StartWith("llasa: the cuda backend cannot be used: no cuBLASLt, which NVIDIA's CUDA toolkit brings (LLASA_CUBLASLT_LIBRARY names its file): "
                + "libcublasLt.so.13: needs a driver for CUDA 13, this one supports 12.2; ").And.Contains("libcublasLt.so.11: cannot open"));
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1));
        });
    }

    [Test]
    public void Cuda_WithAnotherCublasLtThanItWasBuiltWith_TakesAStep()
    {
        var (code, error) = RunOnStandIn("cuda", [("LLASA_CUDASIM_CUBLASLT", "4"), ("LLASA_CUDASIM_DRIVER", "13000")], [.. StepArguments(Path.Combine(Folder, "run"))]);
        Assert.That(code, Is.Zero, error);
    }

    [Test]
    public void Cuda_WithADriverThatFindsNoDevice_IsAnError()
    {
        var (code, error) = RunOnStandIn("cuda", [("LLASA_CUDASIM_DEVICES", "0")], "speak", "a dog", "--out", Path.Combine(Folder, "a.wav"));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(error.Trim(), Is.EqualTo("llasa: the cuda backend cannot be used: the CUDA driver finds no device; `--backend cpu` computes without a GPU"));
        });
    }

    [Test]
    public void Auto_WithADeviceThatCannotBeUsed_ComputesOnTheCpuAndSaysWhy()
    {
        var (code, error) = RunOnStandIn("auto", [("LLASA_CUDASIM_DRIVER", "11040")], [.. StepArguments(Path.Combine(Folder, "run"))]);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(error, Does.Contain("computing on cpu").And.Contains("; not on the GPU: no CUDA device: the driver supports CUDA 11.4"));
        });
    }

    [Test]
    public void Cuda_OutOfMemory_SaysForWhatAndWhichOptionLowersIt()
    {
        var (code, error) = RunOnStandIn("cuda", [("LLASA_CUDASIM_MEMORY", "100000")], "speak", "a dog", "--out", Path.Combine(Folder, "a.wav"));
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(error.Trim().Split('\n'), Has.Length.EqualTo(1), error);
            Assert.That(error, Does.Match("llasa: .*out of device memory allocating [0-9]+ bytes for .*: [0-9]+ of 100000 bytes are free on device 0 .*; .*(needed|lowers? it)"));
        });
    }

    [Test]
    public void Train_OnADeviceThatDoesNotExist_IsAnErrorThatSaysWhichThereAre()
    {
        var (code, error) = RunOnStandIn("cuda", [], [.. StepArguments(Path.Combine(Folder, "run")), "--set", "recogniser.device=1"]);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(error, Does.Contain("`options.device`: device 1, expected -1 or 0..0"));
        });
    }

    [Test]
    public void Train_WithScoringOnASecondDevice_TakesTheSameStep()
    {
        var together = StepOnStandIn("together", []);
        var apart = StepOnStandIn("apart", [("LLASA_CUDASIM_DEVICES", "2")], "--set", "recogniser.device=1");
        Assert.Multiple(() =>
        {
            Assert.That(together, Does.ContainKey("reward/mean").And.ContainKey("optimiser/grad_norm"));
            Assert.That(apart, Is.EqualTo(together));
        });
    }

    [Test]
    public void Train_WhenTheDeviceIsLost_EndsWithOneLineAndTheLastCheckpointContinues()
    {
        var report = Path.Combine(Folder, "kernels.txt");
        var run = Path.Combine(Folder, "lost");
        string[] saving = ["--set", "run.save_every=1"];
        var (code, error) = RunOnStandIn("cuda", [("LLASA_CUDASIM_REPORT", report)], [.. StepArguments(run), .. saving]);
        Assert.That(code, Is.Zero, error);

        // The second step launches about as many kernels as the first: half of them bring it to its middle.
        var launches = File.ReadLines(report).Sum(line => long.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture));
        var fault = (launches / 2).ToString(System.Globalization.CultureInfo.InvariantCulture);
        (code, error) = RunOnStandIn("cuda", [("LLASA_CUDASIM_FAULT_LAUNCH", fault)], [.. StepArguments(run, steps: 2), .. saving]);
        var lines = error.Trim().Split('\n');
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1), error);
            Assert.That(lines[^1], Does.StartWith("llasa: ").And.Contains("unspecified launch failure").And.Contains("kernel `"));
            Assert.That(lines.Count(l => l.StartsWith("llasa: ", StringComparison.Ordinal) && l.Contains("failure", StringComparison.Ordinal)), Is.EqualTo(1), error);
        });

        (code, _, error) = Run("cpu", [.. StepArguments(run, steps: 2), .. saving]);
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero, error);
            Assert.That(File.ReadLines(Path.Combine(run, "metrics.jsonl")).Count(), Is.EqualTo(2));
        });
    }

    private static string[] StepArguments(string run, int steps = 1) =>
    [
        "train", "--out", run, "--steps", $"{steps}", "--seed", "7", "--set", "rollout.prompts_per_step=1",
        "--set", "rollout.samples_per_prompt=2", "--set", "rollout.max_new_tokens=24", "--set", "reward.mode=seed", "--set", "run.save_every=0", "--set", "run.samples_every=0",
    ];

    private (Dictionary<string, double> Metrics, string Error) Step(string backend)
    {
        var run = Path.Combine(Folder, backend);
        var (code, _, error) = Run(backend, StepArguments(run));
        Assert.That(code, Is.Zero, error);
        return (Metrics(run), error);
    }

    /// <summary>What a step on the stand-in measured, times left out.</summary>
    private Dictionary<string, double> StepOnStandIn(string name, (string, string)[] environment, params string[] more)
    {
        var run = Path.Combine(Folder, name);
        var (code, error) = RunOnStandIn("cuda", environment, [.. StepArguments(run), .. more]);
        Assert.That(code, Is.Zero, error);
        return Metrics(run).Where(m => m.Key.StartsWith("reward/", StringComparison.Ordinal) || m.Key.StartsWith("policy/", StringComparison.Ordinal)
            || m.Key.StartsWith("optimiser/", StringComparison.Ordinal)).ToDictionary();
    }

    private static Dictionary<string, double> Metrics(string run)
    {
        var row = JsonDocument.Parse(File.ReadLines(Path.Combine(run, "metrics.jsonl")).Last()).RootElement;
        return row.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Number).ToDictionary(p => p.Name, p => p.Value.GetDouble());
    }

    /// <summary>Runs <c>llasa</c> where the simulator stands in for libllasa_cuda.so, and a library that answers for it for the driver.</summary>
    private (int Code, string Error) RunOnStandIn(string backend, (string Name, string Value)[] environment, params string[] arguments)
    {
        var library = SimulatorLibrary();
        if (!File.Exists(library))
        {
            Assert.Ignore("libllasa_cudasim.so is not built: ./build.sh test-cudasim builds it");
        }

        var folder = Path.Combine(Folder, "stand-in");
        Directory.CreateDirectory(folder);
        File.Delete(Path.Combine(folder, "libllasa_cuda.so"));
        File.CreateSymbolicLink(Path.Combine(folder, "libllasa_cuda.so"), library);
        var driver = Path.Combine(Path.GetDirectoryName(library)!, "driver");
        var (code, _, error) = Run(backend, [("LLASA_NATIVE_DIR", folder), ("LD_LIBRARY_PATH", driver), .. environment], arguments);
        return (code, error);
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

    private static (int Code, string Output, string Error) Run(string backend, params string[] arguments) => Run(backend, [], arguments);

    private static (int Code, string Output, string Error) Run(string backend, (string Name, string Value)[] environment, string[] arguments)
    {
        ProcessStartInfo start = new("dotnet") { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["LLASA_BACKEND"] = backend;
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

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
