// Helpers of build.cake: running a step with its log, building a preset, summing test results.
using System.Text.Json;
using System.Xml.Linq;
bool IsEndToEnd(FilePath project) => project.GetFilename().FullPath.Contains("EndToEnd");

string FileRead(string path) => System.IO.File.ReadAllText(path);

void Configure(string preset, string more = "") =>
    Run($"configure-{preset}", "cmake", $"--preset {preset} -DLLASA_WARNINGS_AS_ERRORS={(strict ? "ON" : "OFF")} {more}", $"{root}/native");

void Build(string preset, string more = "") =>
    Run($"build-{preset}", "cmake", $"--build build/native/{preset} -j {jobs} {more}");

void Generate(string folder, string layoutFile) =>
    Run("bindings-generate", "dotnet", $"run --project {generator} -c {configuration} -- " +
        $"--header native/include/llasa_native.h --out {folder} --layout {layoutFile}");

void NativeTests(string preset)
{
    foreach (var program in GetFiles($"build/native/{preset}/tests/*_tests"))
    {
        var json = $"{results}/{preset}-{program.GetFilename()}.json";
        Clear(json);
        var more = filter is null ? "" : $" --gtest_filter={filter}";
        var exit = Run($"test-{preset}-{program.GetFilename()}", program.FullPath, $"--gtest_brief=1 --gtest_output=json:{json}{more}", check: false);
        tally.AddGoogleTest(json, exit);
        Information("{0} ({1}); so far {2}", program.GetFilename(), preset, tally);
    }
}

// Two at a time, in this order; the longest, whose tests watch what the whole process holds and so run one by one, in two halves.
void ManagedTests(IEnumerable<FilePath> projects)
{
    // What takes longer than everything else together is left to --thorough.
    var some = thorough ? "" : "TestCategory!=Faults&TestCategory!=Long";
    var environment = NativeFrom("cpu");
    if (!thorough)
    {
        environment["LLASA_FUZZ_COUNT"] = "400";
    }

    string[] half = ["Ranks", "Resume", "Bf16", "Work", "Command", "RandomCheckpoint", "SecondEar", "Ggml", "Looping", "Judge", "Corpus", "Extending"];
    var parts = projects.SelectMany(p => IsEndToEnd(p) ? new (FilePath Project, string Part, string Filter)[]
    {
        (p, "-1", "(" + string.Join("|", half.Select(c => $"FullyQualifiedName~.{c}")) + ")"),
        (p, "-2", string.Join("&", half.Select(c => $"FullyQualifiedName!~.{c}"))),
    } : [(p, "", "")]);
    System.Threading.Tasks.Parallel.ForEach(
        System.Collections.Concurrent.Partitioner.Create(parts, System.Collections.Concurrent.EnumerablePartitionerOptions.NoBuffering),
        new ParallelOptions { MaxDegreeOfParallelism = 2 }, part =>
    {
        var name = part.Project.GetFilenameWithoutExtension().FullPath + part.Part;
        var trx = $"{results}/{name}.trx";
        Clear(trx);
        var tests = string.Join("&", new[] { part.Filter, some }.Where(f => f.Length > 0));
        // The assembly, not its project, which would be evaluated once more to find it.
        var assembly = $"{part.Project.GetDirectory()}/bin/{configuration}/net10.0/{part.Project.GetFilenameWithoutExtension()}.dll";
        var exit = Run($"test-{name}", "dotnet", $"test {assembly} --logger trx;LogFileName={trx} --results-directory {results}" +
            (tests.Length > 0 ? $" --filter {tests}" : ""), check: false, environment: environment);
        tally.AddTrx(trx, exit);
        Information("{0}; so far {1}", name, tally);
    });
}

void Clear(string file)
{
    EnsureDirectoryExists(results);
    System.IO.File.Delete(file);
}

// Publishes a class library into build/engines, where the program of the sources finds it. `apart`: its objects lie apart, because others build it
// without what it needs to run.
void PublishEngine(string name, string project, bool apart)
{
    var folder = $"build/engines/{name}";
    CleanDirectory(folder);
    Run($"engine-{name}", "dotnet", $"publish managed/{project} -c {configuration} -v q -nologo -p:AsEngine=true -p:CreateHardLinksForPublishFilesIfPossible=true -o {folder}" +
        (apart ? " -r linux-x64 --self-contained false --artifacts-path build/engines-obj" : ""));
    DeleteFiles($"{folder}/*.{{pdb,xml}}");
}

// An option of ours as one of `llasa`, if it was given.
string Passed(string name) => HasArgument(name) ? $" --{name} {Argument<string>(name)}" : "";

// The program `llasa` on the library that was just built, its output shown as it comes.
string LlasaProgram => $"managed/LlasaNative.Trainer/bin/{configuration}/net10.0/llasa.dll";

void Llasa(string arguments) => Show("dotnet", $"{LlasaProgram} {arguments}");

void Show(string program, string arguments, Dictionary<string, string> environment = null)
{
    var exit = StartProcess(program, new ProcessSettings { Arguments = arguments, EnvironmentVariables = environment ?? NativeFrom(library) });
    if (exit != 0)
    {
        throw new CakeException($"{program} {arguments} failed with {exit}");
    }
}

Dictionary<string, string> NativeFrom(string preset) => new()
{
    ["LLASA_NATIVE_DIR"] = $"{root}/build/native/{preset}",
    ["LLASA_WARNINGS_AS_ERRORS"] = strict ? "ON" : "OFF",   // read by Directory.Build.props
};

// Runs a step quietly into artifacts/logs; shows the end of its log when it fails.
int Run(string step, string program, string arguments, string folder = null, bool check = true,
    Dictionary<string, string> environment = null)
{
    var log = $"{logs}/{step}.log";
    EnsureDirectoryExists(logs);
    using var writer = TextWriter.Synchronized(new System.IO.StreamWriter(log));
    string Write(string line)
    {
        writer.WriteLine(line);
        return null;
    }

    writer.WriteLine($"$ {program} {arguments}");
    var exit = StartProcess(program, new ProcessSettings
    {
        Arguments = arguments,
        WorkingDirectory = folder ?? root,
        EnvironmentVariables = environment ?? NativeFrom("cpu"),
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        RedirectedStandardOutputHandler = Write,
        RedirectedStandardErrorHandler = Write,
    });
    writer.Flush();
    if (exit != 0)
    {
        var lines = System.IO.File.ReadAllLines(log);
        Error("{0} failed with {1}; the end of {2}:", step, exit, log);
        Console.WriteLine(string.Join('\n', lines.Skip(Math.Max(0, lines.Length - 60))));
        if (check)
        {
            throw new CakeException($"{step} failed");
        }
    }

    return exit;
}

// Sums the results of test programs; one that dies without a report counts as a failure. Several may be added at once.
class Tally
{
    private int _passed, _failed, _skipped;

    public bool HasFailed => _failed > 0 || _passed == 0;

    public void Add(int passed, int failed, int skipped)
    {
        lock (this)
        {
            _passed += passed;
            _failed += failed;
            _skipped += skipped;
        }
    }

    public void AddGoogleTest(string file, int exit)
    {
        var (passed, failed, skipped) = (0, 0, 0);
        if (System.IO.File.Exists(file))
        {
            using var json = JsonDocument.Parse(System.IO.File.ReadAllText(file));
            foreach (var test in json.RootElement.GetProperty("testsuites").EnumerateArray()
                .SelectMany(s => s.GetProperty("testsuite").EnumerateArray()))
            {
                var fails = test.TryGetProperty("failures", out _);
                var skips = test.GetProperty("status").GetString() == "NOTRUN" || test.GetProperty("result").GetString() == "SKIPPED";
                failed += fails ? 1 : 0;
                skipped += !fails && skips ? 1 : 0;
                passed += !fails && !skips ? 1 : 0;
            }
        }

        Add(passed, exit != 0 && failed == 0 ? 1 : failed, skipped);
    }

    public void AddTrx(string file, int exit)
    {
        var (passed, failed, skipped) = (0, 0, 0);
        if (System.IO.File.Exists(file))
        {
            var counters = XDocument.Load(file).Descendants().First(e => e.Name.LocalName == "Counters");
            int Count(string name) => (int)counters.Attribute(name);
            passed = Count("passed");
            failed = Count("executed") - passed;
            skipped = Count("total") - Count("executed");
        }

        Add(passed, exit != 0 && failed == 0 ? 1 : failed, skipped);
    }

    public void AddScript(int exit) => Add(exit == 0 ? 1 : 0, exit == 0 ? 0 : 1, 0);

    public void ThrowIfFailed()
    {
        if (HasFailed)
        {
            throw new CakeException(ToString());
        }
    }

    public override string ToString() => $"{_passed} passed, {_failed} failed" + (_skipped > 0 ? $", {_skipped} skipped" : "");
}
