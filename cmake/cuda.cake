// The CUDA backend's steps of build.cake: its tests on the simulator, its compilation by nvcc, the table of registers.
using System.Text.RegularExpressions;

// Every kernel of src/cuda by name.
SortedSet<string> KernelNames() => new(GetFiles("native/src/cuda/*.{cu,cuh}")
    .SelectMany(f => Regex.Matches(FileRead(f.FullPath), @"__global__\s+void\b.*?\b(\w+_kernel)\s*\(", RegexOptions.Singleline))
    .Select(m => m.Groups[1].Value));

// What became of the tests of a program: names in the order they ended, with the time each took.
record TestResults(List<(string Name, double Seconds)> Passed, List<string> Failed, List<string> Skipped);

string[] ListTests(FilePath program)
{
    StartProcess(program, new ProcessSettings
    {
        Arguments = "--gtest_list_tests" + (filter is null ? "" : $" --gtest_filter={filter}"),
        RedirectStandardOutput = true,
    }, out var lines);
    var suite = "";
    var names = new List<string>();
    foreach (var line in lines.Select(l => l.Split('#')[0]).Where(l => l.Length > 0))
    {
        if (line.StartsWith("  "))
        {
            names.Add(suite + line.Trim());
        }
        else if (line.TrimEnd().EndsWith('.'))
        {
            suite = line.Trim();
        }
    }

    return [.. names];
}

// Runs every test of a GoogleTest program, a few per process and `jobs` processes at once. A process that dies costs the
// test it died in, which counts as failed; the tests it left are run by another.
TestResults RunInParts(string preset, FilePath program, Dictionary<string, string> more)
{
    var results = new TestResults([], [], []);
    var parts = new System.Collections.Concurrent.ConcurrentQueue<string[]>(ListTests(program).Chunk(6));
    if (parts.IsEmpty && filter is null)
    {
        results.Failed.Add($"{program.GetFilename()} lists no tests");
    }

    Parallel.For(0, jobs, new ParallelOptions { MaxDegreeOfParallelism = jobs }, worker =>
    {
        var environment = NativeFrom(preset);
        foreach (var (name, value) in more)
        {
            environment[name] = value;
        }

        for (var number = 0; parts.TryDequeue(out var names); number++)
        {
            var step = $"test-{preset}-{program.GetFilename()}-{worker}-{number}";
            // timeout: a kernel that never ends, or a lock nobody releases, costs its test, too.
            var exit = Run(step, "timeout", $"-k 5 900 {program.FullPath} --gtest_filter={string.Join(':', names)}", check: false, environment: environment);
            var left = ReadLog($"{logs}/{step}.log", names, results);
            if (left.Length > 0)
            {
                lock (results)
                {
                    results.Failed.Add($"{left[0]} (the program ended with {exit} in it)");
                }

                if (left.Length > 1)
                {
                    parts.Enqueue(left[1..]);
                }
            }
            else if (exit != 0)
            {
                lock (results)
                {
                    if (!names.Any(results.Failed.Contains))
                    {
                        results.Failed.Add($"{program.GetFilename()} ended with {exit} behind its last test, {names[^1]}");
                    }
                }
            }
        }
    });
    return results;
}

// Adds what a log says of `names` to the results and returns those it says nothing of, in order.
string[] ReadLog(string log, string[] names, TestResults results)
{
    var left = new List<string>(names);
    lock (results)
    {
        foreach (var line in System.IO.File.ReadLines(log))
        {
            // Not at the line's begin: a test may have written half a line.
            var match = Regex.Match(line, @"\[(       OK |  FAILED  |  SKIPPED )\] ([\w/]+\.[\w/]+)(?:, where .*)? \((\d+) ms\)");
            if (!match.Success || !left.Remove(match.Groups[2].Value))
            {
                continue;
            }

            var (kind, name, seconds) = (match.Groups[1].Value.Trim(), match.Groups[2].Value, int.Parse(match.Groups[3].Value) / 1000.0);
            if (kind == "OK")
            {
                results.Passed.Add((name, seconds));
            }
            else
            {
                (kind == "FAILED" ? results.Failed : results.Skipped).Add(name);
            }
        }
    }

    return [.. left];
}

void BuildCudasim(string preset, string more = "")
{
    Configure(preset);
    Build(preset, more);
}

// The native tests on the simulator; summary.json in the folder says what ran.
void CudasimTests(string preset, string folder)
{
    var clock = System.Diagnostics.Stopwatch.StartNew();
    var kernels = $"{results}/{preset}-kernels.txt";
    Clear(kernels);
    var suite = RunInParts(preset, $"{root}/build/native/{preset}/tests/llasa_cudasim_tests", new()
    {
        ["LLASA_CUDASIM_REPORT"] = kernels,
        ["LLASA_CPU_LIBRARY"] = $"{root}/build/native/cpu/libllasa_cpu.so",
    });
    var planted = new TestResults([], [], []);
    var faults = new FilePath($"{root}/build/native/{preset}/tests/cudasim/llasa_cudasim_fault_tests");
    if (FileExists(faults))
    {
        planted = RunInParts(preset, faults, new());
    }

    var launches = (FileExists(kernels) ? System.IO.File.ReadAllLines(kernels) : [])
        .Select(line => line.Split(' ')).GroupBy(p => p[0], p => long.Parse(p[1])).ToDictionary(g => g.Key, g => g.Sum());
    var never = KernelNames().Where(k => launches.GetValueOrDefault(k) == 0).ToArray();
    foreach (var all in new[] { suite, planted })
    {
        tally.Add(all.Passed.Count, all.Failed.Count, all.Skipped.Count);
    }

    EnsureDirectoryExists(folder);
    System.IO.File.WriteAllText($"{folder}/summary.json", JsonSerializer.Serialize(new
    {
        tests = suite.Passed.Count + suite.Failed.Count,
        passed = suite.Passed.Count,
        failed = suite.Failed,
        skipped = suite.Skipped,
        kernels = KernelNames().Count,
        kernels_executed = KernelNames().Count - never.Length,
        kernels_never_executed = never,
        launches = launches.Values.Sum(),
        planted_faults = planted.Passed.Count + planted.Failed.Count,
        planted_faults_found = planted.Passed.Count,
        planted_faults_missed = planted.Failed,
        seconds = Math.Round(clock.Elapsed.TotalSeconds, 1),
        slowest_seconds = suite.Passed.OrderByDescending(t => t.Seconds).Take(8).ToDictionary(t => t.Name, t => t.Seconds),
    }, new JsonSerializerOptions { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }) + "\n");
    if (filter is null && never.Length > 0)
    {
        tally.Add(0, 1, 0);
        Error("kernels that no test ran: {0}", string.Join(", ", never));
    }

    Information("{0} in {1:f0} s: {2} passed, {3} failed, {4} skipped; planted faults found: {5} of {6}; kernels run: {7} of {8}; see {9}/summary.json",
        preset, clock.Elapsed.TotalSeconds, suite.Passed.Count, suite.Failed.Count, suite.Skipped.Count, planted.Passed.Count,
        planted.Passed.Count + planted.Failed.Count, KernelNames().Count - never.Length, KernelNames().Count, folder);
}

// Compiles the CUDA library for one architecture, if nvcc is here.
void CompileForCuda()
{
    if (Context.Tools.Resolve("nvcc") is null)
    {
        Warning("nvcc is not here: the kernels were not compiled for a GPU (--with-cuda-toolkit installs it; test-cudasim runs them without one)");
        return;
    }

    Configure("cuda", "-DLLASA_CUDA_ARCHS=80 -DLLASA_BUILD_TESTS=OFF");
    Build("cuda", "--target llasa_cuda");
    Information("nvcc compiled {0} kernels for sm_80", KernelNames().Count);
}

// libllasa_cuda.so for every architecture, if nvcc is here.
bool CudaLibraryForPackage()
{
    if (Context.Tools.Resolve("nvcc") is null)
    {
        Warning("nvcc is not here: the package has no libllasa_cuda.so");
        return false;
    }

    Configure("cuda-archs");
    Build("cuda-archs", "--target llasa_cuda");
    return true;
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

// All architectures; docs/kernels/registers.md gets the table, in place of what an nvcc of this release said before. What
// others said stays.
void CompileForEveryArchitecture()
{
    const string page = "docs/kernels/registers.md";
    Configure("cuda-archs");
    Build("cuda-archs", "--clean-first --target llasa_cuda");
    var uses = ReadKernelUses($"{logs}/build-cuda-archs.log");
    var archs = uses.Select(u => u.Arch).Distinct().OrderBy(a => int.Parse(a[3..])).ToArray();
    var kernels = uses.GroupBy(u => u.Kernel).OrderBy(g => g.Key, StringComparer.Ordinal).ToArray();
    var spilled = uses.Where(u => u.SpillBytes > 0).Select(u => $"`{u.Kernel}` on {u.Arch}: {u.SpillBytes} bytes").ToArray();
    var spills = spilled.Length == 0 ? "none spills" : "of them spill " + string.Join(", ", spilled);
    StartProcess("nvcc", new ProcessSettings { Arguments = "--version", RedirectStandardOutput = true }, out var version);
    var release = Regex.Match(string.Join('\n', version), @"release ([\d.]+), V([\d.]+)");
    var text = new System.Text.StringBuilder();
    text.AppendLine($"## nvcc {release.Groups[1].Value}");
    text.AppendLine();
    text.AppendLine($"V{release.Groups[2].Value}: {kernels.Length} kernels; {spills}.");
    text.AppendLine();
    text.AppendLine($"| kernel | {string.Join(" | ", archs)} | shared bytes | spilled bytes |");
    text.AppendLine($"|---|{string.Concat(archs.Select(_ => "---|"))}---|---|");
    foreach (var kernel in kernels)
    {
        var registers = archs.Select(a => kernel.Where(u => u.Arch == a).Select(u => $"{u.Registers}").FirstOrDefault("–"));
        text.AppendLine($"| `{kernel.Key}` | {string.Join(" | ", registers)} | {kernel.Max(u => u.SharedBytes)} | {kernel.Max(u => u.SpillBytes)} |");
    }

    var heading = new Regex(@"^## nvcc ([\d.]+)\n");
    var sections = Regex.Split(FileExists(page) ? System.IO.File.ReadAllText(page) : "", @"^(?=## nvcc )", RegexOptions.Multiline).Where(s => heading.IsMatch(s))
        .Where(s => heading.Match(s).Groups[1].Value != release.Groups[1].Value).Append(text.ToString())
        .OrderBy(s => Version.Parse(heading.Match(s).Groups[1].Value)).Select(s => s.Trim('\n') + "\n");
    System.IO.File.WriteAllText(page, """
        # Registers, shared memory and spills of every kernel

        Written by `./build.sh cuda-archs` from `ptxas -v`, a section for each release of nvcc that it was run with; not edited by hand. Registers per
        thread for each architecture; static shared memory and spilled bytes are the largest over them.


        """ + string.Join('\n', sections));
    Information("{0} kernels for {1}; {2}", kernels.Length, string.Join(", ", archs), spills);
}
