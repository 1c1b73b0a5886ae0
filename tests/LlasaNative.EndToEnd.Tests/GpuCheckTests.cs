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
            Assert.That(names, Is.EqualTo(new[] { "versions", "configure", "build", "core-tests", "tests", "agreement", "step", "torch", "benchmarks", "memcheck", "racecheck", "profile", "grpo" }));
            Assert.That(output, Does.Match(@"grpo +45\.0 s  by +900\.0 s"));
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
            printf '#!/bin/sh\ncp "%s" "$2"\n' "$0.step.json" >"$2/bench/llasa_cuda_step_bench"
            chmod +x "$2/tests/llasa_cuda_tests" "$2/bench/"*
            """);
        Tool("compute-sanitizer", "shift 4; exec \"$@\"");
        Tool("nsys", "exit 0");
        Tool("python3", "cp \"$0.step.json\" \"$3\"");   // of torch_step.py --out FILE
        File.WriteAllText(Path.Combine(tools, "cmake.step.json"), StepFile("cuda", 16, ("rollout", 1.25), ("gradient and update", 8e-5), ("vocoder", 0.5)));
        File.WriteAllText(Path.Combine(tools, "python3.step.json"), StepFile("torch", 16, ("rollout", 5), ("gradient and update", 4e-5), ("rollout, compiled", 2)));
        var (code, _, error) = Run(copy, tools, "--budget", "45");   // six seconds for the tests that hang
        var summary = Path.Combine(Folder, "artifacts", "gpu-check", "summary.json");
        Assert.That(File.Exists(summary), error);
        var told = JsonNode.Parse(File.ReadAllText(summary))!;
        var steps = told["steps"]!.AsObject();
        Assert.Multiple(() =>
        {
            Assert.That(code, Is.EqualTo(1));
            Assert.That(steps.Select(s => $"{s.Key}: {s.Value!["result"]}"), Is.EqualTo(new[]
            {
                "versions: ok", "configure: ok", "build: ok", "core-tests: ok", "tests: timed out", "agreement: skipped: there is no libllasa_cpu.so to compare with (set LLASA_CPU_DIR)",
                "step: ok", "torch: ok", "benchmarks: failed", "memcheck: ok", "racecheck: ok", "profile: ok", "grpo: skipped: there is no llasa to run (set LLASA)",
            }));
            Assert.That(told["step_beside_torch"]!.AsArray().Select(p => (string)p!["name"]!), Is.EqualTo(new[] { "rollout", "gradient and update", "rollout, compiled" }), "what both have");
            Assert.That(told["step_beside_torch"]!.AsArray().Select(p => (double)p!["seconds"]!), Is.EqualTo(new[] { 1.25, 8e-5, 1.25 }));
            Assert.That(told["step_beside_torch"]!.AsArray().Select(p => (double)p!["torch_seconds"]!), Is.EqualTo(new[] { 5, 4e-5, 2 }));
            Assert.That(told["step_beside_torch"]!.AsArray().Select(p => (double)p!["torch_over_ours"]!), Is.EqualTo(new[] { 4, 0.5, 1.6 }));
        });

        void Tool(string name, string body)
        {
            var path = Path.Combine(tools, name);
            File.WriteAllText(path, $"#!/bin/sh\n{body}\n");
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    [Test]
    public void BothSteps_StandBesideEachOther_WhereTheyAreOfOneSize()
    {
        var copy = Path.Combine(Folder, "native", "gpu-check.sh");
        var files = Path.Combine(Folder, "artifacts", "gpu-check");
        Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
        Directory.CreateDirectory(files);
        File.Copy(Script, copy);
        Assert.That(Run(copy, "", "--beside"), Is.EqualTo((0, "", "")), "without files");
        File.WriteAllText(Path.Combine(files, "step.json"), StepFile("cuda", 16, ("rollout", 1.25), ("gradient and update", 8e-5), ("vocoder", 0.5)));
        File.WriteAllText(Path.Combine(files, "torch-step.json"), StepFile("torch", 8, ("rollout", 5)));
        Assert.That(Run(copy, "", "--beside"), Is.EqualTo((0, "", "")), "of 16 samples and of 8");
        File.WriteAllText(Path.Combine(files, "torch-step.json"), StepFile("torch", 16, ("rollout", 5), ("gradient and update", 4e-5), ("rollout, compiled", 2)));
        string[] lines =
        [
            """    {"name": "rollout", "seconds": 1.25000e+000, "torch_seconds": 5.00000e+000, "torch_over_ours": 4}""",
            """    {"name": "gradient and update", "seconds": 8.00000e-005, "torch_seconds": 4.00000e-005, "torch_over_ours": 0.5}""",
            """    {"name": "rollout, compiled", "seconds": 1.25000e+000, "torch_seconds": 2.00000e+000, "torch_over_ours": 1.6}""",
        ];
        Assert.That(Run(copy, "", "--beside"), Is.EqualTo((0, string.Concat(lines.Select(line => line + "\n")), "")));
    }

    [Test]
    public void WhereTheStepCannotRunByPyTorch_TheCheckSaysWhy()
    {
        Assert.That(RunBy("/nowhere/python3", Script, "", "--run-step", "torch", "60"), Is.EqualTo((77, "/nowhere/python3 is not here\n", "")));
        var python = Path.Combine(Folder, "python");
        File.WriteAllText(python, "#!/bin/sh\nexec python3 -I -S \"$@\"\n");   // without packages
        File.SetUnixFileMode(python, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        if (Run("-c", "", "command -v python3").Code != 0)
        {
            Assert.Ignore("python3 is not here");
        }

        Assert.That(RunBy(python, Script, "", "--run-step", "torch", "60"), Is.EqualTo((77, "torch_step: PyTorch and Transformers are not here: No module named 'torch'\n", "")));
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

    // As step_json writes it.
    private static string StepFile(string backend, int samples, params (string Name, double Seconds)[] phases) => FormattableString.Invariant(
        $"{{\n  \"backend\": \"{backend}\",\n  \"device\": \"a card\",\n  \"samples\": {samples},\n  \"phases\": [\n") + string.Join(",\n", phases.Select(
            p => FormattableString.Invariant($"    {{\"name\": \"{p.Name}\", \"first_seconds\": 7, \"seconds\": {p.Seconds:e5}, \"tokens\": 32768}}"))) + "\n  ]\n}\n";

    private static (int Code, string Output, string Error) Run(string script, string tools, params string[] arguments) => RunBy(null, script, tools, arguments);

    private static (int Code, string Output, string Error) RunBy(string? python, string script, string tools, params string[] arguments)
    {
        ProcessStartInfo start = new("bash", [script, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"{tools}:{Environment.GetEnvironmentVariable("PATH")}";
        foreach (var name in new[] { "LLASA", "LLASA_CPU_DIR", "LLASA_DEVICE", "LLASA_PYTHON" })
        {
            start.Environment.Remove(name);
        }

        if (python is not null)
        {
            start.Environment["LLASA_PYTHON"] = python;
        }

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
