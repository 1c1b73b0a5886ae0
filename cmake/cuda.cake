// The CUDA backend's steps of build.cake: its tests on the simulator, its compilation by nvcc, the table of registers.
using System.Text.RegularExpressions;

// Every kernel of src/cuda by name.
SortedSet<string> KernelNames() => new(GetFiles("native/src/cuda/*.{cu,cuh}")
    .SelectMany(f => Regex.Matches(FileRead(f.FullPath), @"__global__\s+void\b.*?\b(\w+_kernel)\s*\(", RegexOptions.Singleline))
    .Select(m => m.Groups[1].Value));

// Runs a program of GoogleTests in `jobs` parts at once.
void ShardedTests(string preset, FilePath program)
{
    var name = program.GetFilename().FullPath;
    string Json(int shard) => $"{results}/{preset}-{name}-{shard}.json";
    var exits = new int[jobs];
    Parallel.For(0, jobs, new ParallelOptions { MaxDegreeOfParallelism = jobs }, shard =>
    {
        Clear(Json(shard));
        var environment = NativeFrom(preset);
        environment["GTEST_TOTAL_SHARDS"] = $"{jobs}";
        environment["GTEST_SHARD_INDEX"] = $"{shard}";
        environment["LLASA_CUDASIM_REPORT"] = $"{results}/{preset}-kernels.txt";
        var more = filter is null ? "" : $" --gtest_filter={filter}";
        exits[shard] = Run($"test-{preset}-{name}-{shard}", program.FullPath, $"--gtest_brief=1 --gtest_output=json:{Json(shard)}{more}",
            check: false, environment: environment);
    });
    for (var shard = 0; shard < jobs; shard++)
    {
        tally.AddGoogleTest(Json(shard), exits[shard]);
    }

    Information("{0} ({1}); so far {2}", name, preset, tally);
}

// The native tests on the simulator; artifacts/test-cudasim/summary.json says what ran.
void CudasimTests()
{
    var clock = System.Diagnostics.Stopwatch.StartNew();
    var kernels = $"{results}/cudasim-kernels.txt";
    Clear(kernels);
    var before = new { tally.Passed, tally.Failed, tally.Skipped };
    ShardedTests("cudasim", "build/native/cudasim/tests/llasa_cudasim_tests");
    var suite = new { tally.Passed, tally.Failed, tally.Skipped };
    var launches = (FileExists(kernels) ? System.IO.File.ReadAllLines(kernels) : [])
        .Select(line => line.Split(' ')).GroupBy(p => p[0], p => long.Parse(p[1])).ToDictionary(g => g.Key, g => g.Sum());
    var never = KernelNames().Where(k => launches.GetValueOrDefault(k) == 0).ToArray();

    var report = $"{results}/cudasim-faults.json";
    Clear(report);
    var exit = Run("test-cudasim-faults", $"{root}/build/native/cudasim/tests/cudasim/llasa_cudasim_fault_tests",
        $"--gtest_brief=1 --gtest_output=json:{report}", check: false);
    tally.AddGoogleTest(report, exit);
    var planted = tally.Passed + tally.Failed - suite.Passed - suite.Failed;
    var found = tally.Passed - suite.Passed;

    EnsureDirectoryExists("artifacts/test-cudasim");
    System.IO.File.WriteAllText("artifacts/test-cudasim/summary.json", JsonSerializer.Serialize(new
    {
        tests = suite.Passed + suite.Failed - before.Passed - before.Failed,
        passed = suite.Passed - before.Passed,
        failed = suite.Failed - before.Failed,
        skipped = suite.Skipped - before.Skipped,
        kernels = KernelNames().Count,
        kernels_executed = KernelNames().Count - never.Length,
        kernels_never_executed = never,
        launches = launches.Values.Sum(),
        planted_faults = planted,
        planted_faults_found = found,
        seconds = Math.Round(clock.Elapsed.TotalSeconds, 1),
    }, new JsonSerializerOptions { WriteIndented = true }) + "\n");
    if (filter is null && never.Length > 0)
    {
        tally.Failed++;
        Error("kernels that no test ran: {0}", string.Join(", ", never));
    }

    Information("planted faults found: {0} of {1}; kernels run: {2} of {3}; see artifacts/test-cudasim/summary.json", found, planted,
        KernelNames().Count - never.Length, KernelNames().Count);
}

// Compiles the CUDA library for one architecture, if nvcc is here.
void CompileForCuda()
{
    if (Context.Tools.Resolve("nvcc") is null)
    {
        Warning("nvcc is not here: the kernels were run on the simulator, but not compiled for a GPU (--with-cuda-toolkit installs it)");
        return;
    }

    Configure("cuda", "-DLLASA_CUDA_ARCHS=80 -DLLASA_BUILD_TESTS=OFF");
    Build("cuda", "--target llasa_cuda");
    Information("nvcc compiled {0} kernels for sm_80", KernelNames().Count);
}

record KernelUse(string Kernel, string Arch, int Registers, int SharedBytes, int StackBytes, int SpillBytes);

// What ptxas -v said of each kernel, from the log of a build.
List<KernelUse> ReadKernelUses(string log)
{
    var uses = new List<KernelUse>();
    var entry = "";
    var arch = "";
    int stack = 0, spill = 0;
    foreach (var line in System.IO.File.ReadLines(log))
    {
        if (Regex.Match(line, @"Compiling entry function '(\w+)' for '(sm_\d+)'") is { Success: true } start)
        {
            (entry, arch) = (start.Groups[1].Value, start.Groups[2].Value);
        }
        else if (Regex.Match(line, @"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads") is { Success: true } frame)
        {
            stack = int.Parse(frame.Groups[1].Value);
            spill = int.Parse(frame.Groups[2].Value) + int.Parse(frame.Groups[3].Value);
        }
        else if (entry.Length > 0 && Regex.Match(line, @"Used (\d+) registers(?:.*?(\d+) bytes smem)?") is { Success: true } used)
        {
            uses.Add(new(entry, arch, int.Parse(used.Groups[1].Value), used.Groups[2].Success ? int.Parse(used.Groups[2].Value) : 0, stack, spill));
            entry = "";
        }
    }

    StartProcess("c++filt", new ProcessSettings { Arguments = string.Join(' ', uses.Select(u => u.Kernel)), RedirectStandardOutput = true }, out var names);
    return uses.Zip(names, (use, name) => use with { Kernel = Regex.Match(name, @"(\w+_kernel(?:<.*>)?)\(").Groups[1].Value }).ToList();
}

// All architectures; docs/kernels/registers.md gets the table.
void CompileForEveryArchitecture()
{
    Configure("cuda-archs");
    Build("cuda-archs", "--clean-first --target llasa_cuda");
    var uses = ReadKernelUses($"{logs}/build-cuda-archs.log");
    var archs = uses.Select(u => u.Arch).Distinct().Order().ToArray();
    StartProcess("nvcc", new ProcessSettings { Arguments = "--version", RedirectStandardOutput = true }, out var version);
    var text = new System.Text.StringBuilder();
    text.AppendLine("# Registers, shared memory and spills of every kernel");
    text.AppendLine();
    text.AppendLine($"Written by `./build.sh cuda-archs` from `ptxas -v` ({version.First(l => l.Contains("release")).Split(", ")[^1]}); not edited by hand. Registers per");
    text.AppendLine("thread for each architecture; static shared memory and spilled bytes are the largest over them.");
    text.AppendLine();
    text.AppendLine($"| kernel | {string.Join(" | ", archs)} | shared bytes | spilled bytes |");
    text.AppendLine($"|---|{string.Concat(archs.Select(_ => "---|"))}---|---|");
    foreach (var kernel in uses.GroupBy(u => u.Kernel).OrderBy(g => g.Key, StringComparer.Ordinal))
    {
        var registers = archs.Select(a => kernel.Where(u => u.Arch == a).Select(u => $"{u.Registers}").FirstOrDefault("–"));
        text.AppendLine($"| `{kernel.Key}` | {string.Join(" | ", registers)} | {kernel.Max(u => u.SharedBytes)} | {kernel.Max(u => u.SpillBytes)} |");
    }

    System.IO.File.WriteAllText("docs/kernels/registers.md", text.ToString());
    var spilled = uses.Where(u => u.SpillBytes > 0).Select(u => $"{u.Kernel} on {u.Arch}: {u.SpillBytes} bytes").ToArray();
    Information("{0} kernels for {1}; {2} spill{3}", uses.Select(u => u.Kernel).Distinct().Count(), string.Join(", ", archs), spilled.Length,
        spilled.Length > 0 ? ": " + string.Join("; ", spilled) : "");
}
