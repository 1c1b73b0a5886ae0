using System.Diagnostics;
using System.Text.Json.Nodes;
using LlasaNative.Tests.Support;

namespace LlasaNative.EndToEnd.Tests;

/// <summary><c>native/gpu-check.sh</c>: its order and time-outs, on a machine whose compiler and card are stand-ins.</summary>
[Platform("Linux")]
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
public sealed class GpuCheckTests : TinyWorldTests
{
    private static string Script => Path.Combine(OracleData.RepositoryRoot, "native", "gpu-check.sh");

    [Test]
    public void ADryRun_TellsStepsThatFitIntoFifteenMinutes_AndWhatIsCarried()
    {
        var (code, output, _) = Run(Script, "", "--dry-run");
        string[] names = [.. output.Split('\n').Where(line => line.Contains(" s  by ", StringComparison.Ordinal)).Select(line => line.Split(' ')[0])];
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.Zero);
            Assert.That(names, Is.EqualTo(new[] { "versions", "configure", "build", "core-tests", "tests", "agreement", "step", "benchmarks", "memcheck", "racecheck", "profile", "grpo" }));
            Assert.That(output, Does.Match(@"grpo +60\.0 s  by +900\.0 s"));
            Assert.That(output, Does.Match(@"to be carried: native .*: [1-5]?\d MiB\n"), "less than 60");
            Assert.That(Run(Script, "", "--budget", "soon"), Is.EqualTo((2, "", "gpu-check: --budget: `soon` is not a number of seconds\n")));
        });
    }

    [Test, Category("Long")]
    public void AStepThatHangs_IsEnded_AndTheOthersRun()
    {
        var copy = Path.Combine(Folder, "native", "gpu-check.sh");
        var tools = Path.Combine(Folder, "tools");
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        Directory.CreateDirectory(tools);
        File.Copy(Script, copy);
        Tool("nvcc", "echo release 12.4");
        Tool("nvidia-smi", "echo 9.0");
        // Builds tests that pass, but for "all other tests", which hang, and benchmarks that fail.
        Tool("cmake", """
            [ "$1" = --build ] || exit 0
            mkdir -p "$2/tests" "$2/bench"
            printf '#!/bin/sh\ncase "$*" in *filter=-*) sleep 600 ;; esac\n' >"$2/tests/llasa_cuda_tests"
            printf '#!/bin/sh\nexit 3\n' >"$2/bench/llasa_cuda_bench"
            printf '#!/bin/sh\necho "{}" >"$2"\n' >"$2/bench/llasa_cuda_step_bench"
            chmod +x "$2/tests/llasa_cuda_tests" "$2/bench/"*
            """);
        Tool("compute-sanitizer", "shift 4; exec \"$@\"");
        Tool("nsys", "exit 0");
        var (code, _, error) = Run(copy, tools, "--budget", "45");   // six seconds for the tests that hang
        var summary = Path.Combine(Folder, "artifacts", "gpu-check", "summary.json");
        Assert.That(File.Exists(summary), error);
        var steps = JsonNode.Parse(File.ReadAllText(summary))!["steps"]!.AsObject();
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(steps.Select(s => $"{s.Key}: {s.Value!["result"]}"), Is.EqualTo(new[]
            {
                "versions: ok", "configure: ok", "build: ok", "core-tests: ok", "tests: timed out", "agreement: skipped: there is no libllasa_cpu.so to compare with (set LLASA_CPU_DIR)",
                "step: ok", "benchmarks: failed", "memcheck: ok", "racecheck: ok", "profile: ok", "grpo: skipped: there is no llasa to run (set LLASA)",
            }));
        });

        void Tool(string name, string body)
        {
            var path = Path.Combine(tools, name);
            File.WriteAllText(path, $"#!/bin/sh\n{body}\n");
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [TestCase("compute_80\ncompute_90", "80;86;89;90")]
    [TestCase("compute_90\ncompute_100\ncompute_101\ncompute_120\ncompute_121", "80;86;89;90;100;120")]
    public void TheBuild_CompilesForTheCardsThatItsCompilerKnows(string known, string expected)
    {
        var nvcc = Path.Combine(Folder, "nvcc");
        File.WriteAllText(nvcc, $"#!/bin/sh\ncat <<END\n{known}\nEND\n");
        File.SetUnixFileMode(nvcc, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var script = Path.Combine(Folder, "archs.cmake");
        File.WriteAllText(script, $"include(\"{OracleData.RepositoryRoot}/cmake/CudaArchs.cmake\")\nmessage(\"is ${{LLASA_CUDA_ARCHS}}\")\n");
        using var process = Process.Start(new ProcessStartInfo("cmake", [$"-DLLASA_NVCC={nvcc}", "-P", script]) { RedirectStandardError = true })!;
        var output = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(output, Is.EqualTo($"is {expected}\n"));
    }

    private static (int Code, string Output, string Error) Run(string script, string tools, params string[] arguments)
    {
        ProcessStartInfo start = new("bash", [script, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"{tools}:{Environment.GetEnvironmentVariable("PATH")}";
        foreach (var name in new[] { "LLASA", "LLASA_CPU_DIR", "LLASA_DEVICE" })
        {
            start.Environment.Remove(name);
        }

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
